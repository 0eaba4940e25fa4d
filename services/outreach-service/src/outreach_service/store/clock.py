"""Outreach's business time: how far its inputs have been read, or the database's clock."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from outreach_service.ports import GROUP
from rapport_contracts import topics
from rapport_runtime.database import fetch_value, real_time

INPUTS: Final = (topics.CLIENT_ACTIVITY, topics.TIER_CHANGES)
"""The topics with watermarks that outreach reads."""

_LEAST: Final = """
    SELECT min(processed_through) FROM consumer_position
    WHERE consumer_group = %(group)s AND topic = ANY(%(topics)s)
    HAVING count(processed_through) = %(expected)s
"""


def inputs_up_to(tx: sa.Connection) -> datetime | None:
    """The instant up to which all activity and all tier changes have been read; None until each
    partition of both has had its first watermark."""
    params = {
        "group": GROUP,
        "topics": [topic.name for topic in INPUTS],
        "expected": sum(topic.partitions for topic in INPUTS),
    }
    instant: datetime | None = fetch_value(tx, _LEAST, params)
    return instant


def business_now(tx: sa.Connection, *, simulated: bool) -> datetime | None:
    """The time by which consents, caps and attempts are stamped; None before there is any."""
    return inputs_up_to(tx) if simulated else real_now(tx)


def real_now(tx: sa.Connection) -> datetime:
    """The database's clock: leases, permits and retries go by it."""
    return real_time(tx)
