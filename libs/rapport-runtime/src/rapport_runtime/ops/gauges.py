"""What the API tells Prometheus of the database, read when asked: one transaction a scrape."""

import sqlalchemy as sa

from rapport_runtime.database import Database
from rapport_runtime.metrics import (
    BUSINESS_TIME,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_ROWS,
    PAUSES,
    WORKERS,
)
from rapport_runtime.ops.pauses import in_force

COUNT_UP_TO = 100_000
"""Counting an outbox that has millions of rows would hurt just when it hurts already."""

_TIMES = sa.text("""
    SELECT topic, partition,
        extract(epoch FROM least(processed_through, swept_through))::float AS at
    FROM consumer_position WHERE consumer_group = :group AND processed_through IS NOT NULL
""")
_OUTBOX = sa.text("""
    SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS counted) AS rows,
        extract(epoch FROM clock_timestamp() - (
            SELECT created_at FROM outbox ORDER BY id LIMIT 1))::float AS age
""")
_WORKERS = sa.text("""
    SELECT count(*) FILTER (WHERE since < interval '30 seconds' AND lag IS NOT NULL) AS live,
        count(*) FILTER (WHERE since >= interval '30 seconds' AND lag IS NOT NULL) AS silent,
        count(*) FILTER (WHERE since < interval '10 minutes' AND lag IS NULL) AS halted
    FROM (
        SELECT lag, clock_timestamp() - progressed_at AS since FROM worker
        WHERE consumer_group = :group AND progressed_at > clock_timestamp() - interval '1 hour'
    ) AS said  -- a loop that halts says so with its last word, which has no lag
""")
_KINDS = ("worker", "topic", "practice")


class DatabaseGauges:
    """Brings the gauges of one service up to date. When the database is away they are not told:
    a number that was true once is worse than none."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group

    def __call__(self) -> None:
        """Read and set; raises what the driver raises."""
        try:
            with self._database.transaction() as tx:
                self._set(tx)
        except Exception:
            for gauge in (BUSINESS_TIME, OUTBOX_OLDEST_SECONDS, OUTBOX_ROWS, PAUSES, WORKERS):
                gauge.clear()
            raise

    def _set(self, tx: sa.Connection) -> None:
        of = {"group": self._group}
        for row in tx.execute(_TIMES, of):
            BUSINESS_TIME.labels(self._group, row.topic, row.partition).set(row.at)
        outbox = tx.execute(_OUTBOX, {"most": COUNT_UP_TO}).one()
        OUTBOX_ROWS.labels(self._group).set(outbox.rows)
        OUTBOX_OLDEST_SECONDS.labels(self._group).set(outbox.age or 0)
        workers = tx.execute(_WORKERS, of).one()
        for state in ("live", "silent", "halted"):
            WORKERS.labels(self._group, state).set(getattr(workers, state))
        kinds: list[str] = [pause.kind for pause in in_force(tx)]
        for kind in _KINDS:
            PAUSES.labels(self._group, kind).set(kinds.count(kind))
