"""Seeded input: what sources send, what they send wrong, and histories of single clients."""
