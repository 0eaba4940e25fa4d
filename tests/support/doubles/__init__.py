"""Adapters of ports that keep everything in the memory of one test."""
