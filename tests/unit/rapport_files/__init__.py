"""Files of a practice, without servers."""
