"""How far outreach has come: what it has read, and sent for the first time."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from outreach_service.ports import GROUP
from outreach_service.store.clock import inputs_up_to
from rapport_runtime.database import Database, fetch_value
from rapport_runtime.metrics import UNKNOWN_MESSAGES
from rapport_runtime.ops.gauges import COUNT_UP_TO
from rapport_runtime.ops.pauses import paused
from rapport_runtime.ops.status_routes import Status, StatusSource

_FIRST_AWAITED = f"""
    SELECT min(decide_at) FROM message
    WHERE state IN ('drafted', 'scheduled', 'deferred') AND attempts = 0
      AND NOT {paused("practice", "message.practice_id")}
"""
_FIRST_ENDED = """
    SELECT ends_at FROM settling WHERE ends_at <= %(read)s ORDER BY ends_at LIMIT 1
"""
_UNKNOWN = """
    SELECT count(*) FROM (SELECT FROM message WHERE state = 'unknown' LIMIT %(limit)s) AS counted
"""
_KNOWN = "SELECT EXISTS (SELECT FROM practice WHERE practice_id = %(practice_id)s)"
_INSTANT = timedelta(microseconds=1)


class OutreachStatus:
    """The runtime's status with outreach's own business time.

    A day is reported once activity and changes up to it are read, those that settled by then have
    been answered, and no message that is due by then still awaits its first attempt; retries hold
    nothing up, nor do messages of a practice that operators have paused.
    """

    def __init__(self, database: Database, runtime_status: StatusSource) -> None:
        self._database = database
        self._runtime_status = runtime_status

    def status(self) -> Status:
        """See `StatusSource.status`."""
        status = self._runtime_status.status()
        with self._database.transaction(operator=True) as tx:
            read = inputs_up_to(tx)
            awaited: datetime | None = fetch_value(tx, _FIRST_AWAITED)
            ended: datetime | None = fetch_value(tx, _FIRST_ENDED, {"read": read})
        reached = read
        for waits_since in (awaited, ended):
            if reached is not None and waits_since is not None and waits_since <= reached:
                reached = waits_since - _INSTANT
        return status.model_copy(update={"business_time": reached, "oldest_due_at": awaited})


class UnknownMessages:
    """Counts, for Prometheus, the messages that may have been sent and may not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self) -> None:
        """Read the count and set the gauge; while the database is away there is none."""
        UNKNOWN_MESSAGES.clear()
        with self._database.transaction(operator=True) as tx:
            count = fetch_value(tx, _UNKNOWN, {"limit": COUNT_UP_TO})
        UNKNOWN_MESSAGES.labels(GROUP).set(count)


def knows_practice(tx: sa.Connection, practice_id: str) -> bool:
    """Whether outreach knows the practice: a misspelt one must not seem paused."""
    return bool(fetch_value(tx, _KNOWN, {"practice_id": practice_id}))
