"""Where a client's consent holds now."""

from typing import Final

PERMITTED: Final = """
    SELECT practice_id, client_id, channel, purpose
    FROM contact JOIN permission USING (practice_id, client_id, channel, blind_index)
    WHERE NOT EXISTS (
        SELECT FROM opt_out
        WHERE opt_out.practice_id = contact.practice_id
          AND opt_out.blind_index = contact.blind_index AND opt_out.purpose = permission.purpose
          AND opt_out.withdrawn_at >= permission.granted_at)
"""
"""The channels and purposes of clients, of whom a condition that is added speaks: the consent was
given for the contact point that they have, and nobody has opted out there since."""
