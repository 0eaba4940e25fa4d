"""Contact points at which nothing arrives, as their providers said."""

from typing import Final

RESTS_AT_NOW: Final = """
    (until IS NULL OR until > coalesce(%(now)s::timestamptz, '-infinity'))
    AND NOT EXISTS (
        SELECT FROM consent AS said
        WHERE said.practice_id = contact.practice_id AND said.client_id = contact.client_id
          AND said.channel = contact.channel AND said.granted
          AND least(said.stated_at, said.recorded_at) > contact_rest.since)
"""
"""Whether the rest of a contact holds: its time is not over, and the client has not stated since
that they want messages there."""
