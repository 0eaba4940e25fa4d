"""Webhooks of other systems as Rapport's source events: one file for each system."""
