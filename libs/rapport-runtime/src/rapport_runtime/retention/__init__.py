"""What each table keeps and for how long, and the command that removes the rest (ADR 29)."""
