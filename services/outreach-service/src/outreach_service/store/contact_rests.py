"""Contact points at which nothing arrives, as their providers said."""

from typing import Final

RESTS_AT_NOW: Final = """
    (until IS NULL OR until > coalesce(%(now)s::timestamptz, '-infinity'))
    AND NOT EXISTS (
        SELECT FROM permission AS given
        WHERE given.practice_id = contact.practice_id AND given.client_id = contact.client_id
          AND given.channel = contact.channel AND given.blind_index = contact.blind_index
          AND given.granted_at > contact_rest.since)
"""
"""Whether the rest of a contact holds: its time is not over, and the client has not stated since
that they want messages there."""
