"""What `make proof` claims: each claim a small function that measures now and says its goal."""
