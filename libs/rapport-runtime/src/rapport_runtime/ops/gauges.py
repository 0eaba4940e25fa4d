"""The gauges that the API reads from the database: one transaction for each scrape."""

from sqlalchemy import Connection

from rapport_runtime.database import Database, fetch, fetch_one
from rapport_runtime.metrics import (
    BUSINESS_TIME,
    DATABASE_IS_OLDER,
    OLDEST_TRANSACTION_SECONDS,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_ROWS,
    PAUSES,
    PURGE_AGE_SECONDS,
    UNREADABLE,
    WORKERS,
)
from rapport_runtime.ops import incarnation
from rapport_runtime.ops.oldest_transaction import OldestTransaction
from rapport_runtime.ops.pauses import in_force
from rapport_runtime.ops.purge_runs import age_seconds

COUNT_UP_TO = 10_000
"""The largest number of outbox rows that is counted: to count millions would slow down a database
that is slow already."""

_TIMES = """
    SELECT topic, partition,
        extract(epoch FROM least(processed_through, swept_through))::float AS at
    FROM consumer_position WHERE consumer_group = %(group)s AND processed_through IS NOT NULL
"""
_UNREADABLE = """
    SELECT topic, partition, unreadable_offset FROM consumer_position
    WHERE consumer_group = %(group)s AND unreadable_offset >= next_offset
"""
_OUTBOX = """
    SELECT count(*) AS rows, extract(epoch FROM clock_timestamp() - min(created_at))::float AS age
    FROM (
        SELECT created_at FROM outbox
        WHERE id > coalesce((SELECT through FROM outbox_drained), 0) ORDER BY id LIMIT %(limit)s
    ) AS oldest
"""
# A loop that halts writes its row once more, without a lag.
_WORKERS = """
    SELECT count(*) FILTER (WHERE since < interval '30 seconds' AND lag IS NOT NULL) AS live,
        count(*) FILTER (WHERE since >= interval '30 seconds' AND lag IS NOT NULL) AS silent,
        count(*) FILTER (WHERE since < interval '10 minutes' AND lag IS NULL) AS halted
    FROM (
        SELECT lag, clock_timestamp() - progressed_at AS since FROM worker
        WHERE consumer_group = %(group)s AND progressed_at > clock_timestamp() - interval '1 hour'
    ) AS latest
"""
_KINDS = ("worker", "topic", "practice")


_ALL = (
    BUSINESS_TIME,
    DATABASE_IS_OLDER,
    OLDEST_TRANSACTION_SECONDS,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_ROWS,
    PAUSES,
    PURGE_AGE_SECONDS,
    UNREADABLE,
    WORKERS,
)


class DatabaseGauges:
    """Brings the gauges of one service up to date. When the database does not answer, the gauges
    are removed: an outdated number is worse than none."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group
        self._oldest_transaction = OldestTransaction()

    def __call__(self) -> None:
        """Read and set all gauges. Raises what the database raises."""
        try:
            with self._database.transaction() as tx:
                self._set(tx)
        except Exception:
            for gauge in _ALL:
                gauge.clear()
            raise

    def _set(self, tx: Connection) -> None:
        parameters = {"group": self._group}
        for row in fetch(tx, _TIMES, parameters):
            BUSINESS_TIME.labels(self._group, row.topic, row.partition).set(row.at)
        UNREADABLE.clear()
        for row in fetch(tx, _UNREADABLE, parameters):
            UNREADABLE.labels(self._group, row.topic, row.partition).set(row.unreadable_offset)
        outbox = fetch_one(tx, _OUTBOX, {"limit": COUNT_UP_TO})
        OUTBOX_ROWS.labels(self._group).set(outbox.rows)
        OUTBOX_OLDEST_SECONDS.labels(self._group).set(outbox.age or 0)
        workers = fetch_one(tx, _WORKERS, parameters)
        for state in ("live", "silent", "halted"):
            WORKERS.labels(self._group, state).set(getattr(workers, state))
        kinds: list[str] = [pause.kind for pause in in_force(tx)]
        for kind in _KINDS:
            PAUSES.labels(self._group, kind).set(kinds.count(kind))
        DATABASE_IS_OLDER.labels(self._group).set(float(incarnation.is_older(tx)))
        PURGE_AGE_SECONDS.labels(self._group).set(age_seconds(tx))
        OLDEST_TRANSACTION_SECONDS.labels(self._group).set(self._oldest_transaction.seconds(tx))
