"""Outreach against the parts that it stands on."""
