"""The way out: one file a vendor, each of which turns a message into at most one call."""
