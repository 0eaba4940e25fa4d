"""Outreach: its rules, without a database or a network."""
