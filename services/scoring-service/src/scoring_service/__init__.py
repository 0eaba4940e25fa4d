"""Keeps a live tier for every client, says why, and says when it will change."""
