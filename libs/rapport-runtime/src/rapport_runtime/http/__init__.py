"""The HTTP side of every service: one app, one way to say no, one way to page."""
