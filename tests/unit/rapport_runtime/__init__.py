"""The runtime, each part alone."""
