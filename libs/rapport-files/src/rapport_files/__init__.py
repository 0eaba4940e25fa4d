"""Files of a practice, read into source events: CSV, JSON Lines and Excel, by row or by state."""
