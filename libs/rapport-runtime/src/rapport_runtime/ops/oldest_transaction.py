"""For how long removed rows of the database cannot be cleared away, because somebody may see them.

Until then each version of a row stays: behind a dump or a report of hours, or a session that was
left open in a transaction, tables and look-ups grow with every change.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from rapport_runtime.database import fetch_one

# Who else is in a transaction, and slots that keep rows for a standby. No role of ours may see when
# another's transaction began; which transaction is the oldest that it may see, everybody may.
# Autovacuum, which has no user, keeps nothing.
_OLDEST: Final = """
    SELECT holder.xid::text AS xid, clock_timestamp() AS at FROM (
        SELECT unnest(ARRAY[backend_xid, backend_xmin]) AS xid FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND usesysid IS NOT NULL
          AND (datname = current_database() OR datname IS NULL)
        UNION ALL SELECT xmin FROM pg_replication_slots
        UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
    ) AS holder
    WHERE age(holder.xid) > 0 ORDER BY age(holder.xid) DESC LIMIT 1
"""


class OldestTransaction:
    """Remembers since when the same transaction is the oldest, from look to look."""

    def __init__(self) -> None:
        self._oldest: tuple[str, datetime] | None = None

    def seconds(self, tx: Connection) -> float:
        """Seconds since a look first found the one that is still the oldest; 0 when there is none
        after which other transactions have begun."""
        row = fetch_one(tx, _OLDEST)
        if row is None:
            self._oldest = None
            return 0.0
        if self._oldest is None or self._oldest[0] != row.xid:
            self._oldest = (row.xid, row.at)
        seconds: float = (row.at - self._oldest[1]).total_seconds()
        return seconds
