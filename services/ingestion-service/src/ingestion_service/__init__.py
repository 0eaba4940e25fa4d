"""Accepts each source event once and tells what it changed for which client."""
