"""Paces the outreach that follows a tier change, within consent, caps and limits."""
