"""Accepts each source event once and publishes what it changed for its client."""
