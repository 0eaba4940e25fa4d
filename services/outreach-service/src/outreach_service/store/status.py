"""How far outreach has come: what it has read, and sent for the first time (ARCHITECTURE §4)."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from outreach_service.store.clock import inputs_up_to
from rapport_runtime.database import Database
from rapport_runtime.http.status import Status, StatusSource

_FIRST_AWAITED = sa.text("""
    SELECT min(decide_at) FROM message
    WHERE state IN ('drafted', 'scheduled', 'deferred') AND attempts = 0
""")
_INSTANT = timedelta(microseconds=1)


class OutreachStatus:
    """The chassis's status with outreach's own business time.

    A day is reported once activity and changes up to it are read and no message that is due by
    then still awaits its first attempt; retries hold nothing up.
    """

    def __init__(self, database: Database, chassis: StatusSource) -> None:
        self._database = database
        self._chassis = chassis

    def status(self) -> Status:
        """See `StatusSource.status`."""
        status = self._chassis.status()
        with self._database.transaction(operator=True) as tx:
            read = inputs_up_to(tx)
            awaited: datetime | None = tx.execute(_FIRST_AWAITED).scalar()
        reached = read
        if read is not None and awaited is not None and awaited <= read:
            reached = awaited - _INSTANT
        return status.model_copy(update={"business_time": reached, "oldest_due_at": awaited})
