"""The rows of a file, whatever its format: texts under a header, each with its line."""
