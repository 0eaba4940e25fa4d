"""Records that could not be handled, kept as they were until a person decides."""
