"""The chassis, each part alone."""
