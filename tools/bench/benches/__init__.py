"""One module for each bench, which measures and gives lines of the common table."""
