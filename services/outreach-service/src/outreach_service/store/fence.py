"""The fence that a restore leaves: what was due before it may have been sent by the lost life of
the database, and waits for a person (ADR 28)."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from outreach_service.domain.gates import RESTORED
from outreach_service.store.clock import inputs_up_to
from rapport_runtime.database import execute, fetch_value

_RAISE: Final = """
    INSERT INTO fence (due_up_to) VALUES (%(reached)s)
    ON CONFLICT (is_only) DO UPDATE SET due_up_to = greatest(fence.due_up_to, excluded.due_up_to)
    RETURNING due_up_to
"""
# An approval from before the restore may have been acted on already; a message that was being sent,
# or whose outcome is unknown, would be repeated by it.
_FORGET_APPROVALS: Final = """
    UPDATE message SET approved = false WHERE approved AND due_at <= %(due_up_to)s
        AND state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff', 'sending', 'unknown')
"""
# A message that waited for a person before tells from now on why it must not go unread.
_HOLD_BACK: Final = f"""
    UPDATE message SET reason = '{RESTORED}', decide_at = due_at WHERE due_at <= %(due_up_to)s
        AND state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
"""


def fence_off(tx: sa.Connection, reached: datetime | None) -> list[str]:
    """Let every message that was due up to the business time `reached` wait for a person."""
    instants = [each for each in (reached, inputs_up_to(tx)) if each is not None]
    if not instants:
        return ["no message is known, so none is held back"]
    due_up_to = fetch_value(tx, _RAISE, {"reached": max(instants)})
    parameters = {"due_up_to": due_up_to}
    execute(tx, _FORGET_APPROVALS, parameters)
    waiting = execute(tx, _HOLD_BACK, parameters)
    return [
        f"messages that were due up to {due_up_to.isoformat()} wait for a person, also those"
        f" that are planned again: {waiting} of them are here now"
    ]
