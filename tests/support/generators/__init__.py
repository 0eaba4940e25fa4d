"""Seeded input: what sources send, right and wrong, histories of clients, values of outreach."""
