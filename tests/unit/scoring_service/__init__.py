"""The rules of scoring, against examples and against an oracle."""
