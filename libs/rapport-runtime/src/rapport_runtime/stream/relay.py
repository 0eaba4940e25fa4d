"""The only writer to the bus: drains the outbox, then says how far time has come."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.metrics import PUBLISHED
from rapport_runtime.stream.outbox import OutboxRow

LOCK_CLASS = 0x0B0C
"""The advisory-lock class of outbox partitions: one lock for each output partition."""

IDLE_TIMEOUT_MS = 45_000
"""Above the producer's delivery timeout: an open transaction waits for acknowledgements here."""

READ_ROWS = 10_000

OnPublished = Callable[[sa.Connection, Sequence[OutboxRow]], None]
"""Told of the rows that the bus acknowledged, in the transaction that then removes them, under
the locks of their partitions and in each partition's order. It writes once for each row."""

# The patience is said in passing: it holds from the end of this statement to the transaction's.
# Where nothing waits and nothing else is to be said, no lock is tried.
_LOCK = """
    SELECT partition
    FROM set_config('idle_in_transaction_session_timeout', %(patience)s, true),
        unnest(%(partitions)s::int[]) AS partition
    WHERE (%(anyway)s OR EXISTS (SELECT FROM outbox))
        AND pg_try_advisory_xact_lock(%(lock_class)s, partition)
"""
_READ = """
    SELECT id, topic, partition, key, value FROM outbox
    WHERE partition = ANY(%s) ORDER BY id LIMIT %s
"""
_REMOVE = "DELETE FROM outbox WHERE id = ANY(%b::bigint[])"
_PUBLISHED = "SELECT partition, published_through FROM outbox_watermark"
_NOTE = """
    INSERT INTO outbox_watermark (partition, published_through)
    SELECT * FROM unnest(%b::int[], %b::timestamptz[])
    ON CONFLICT (partition) DO UPDATE
    SET published_through = greatest(outbox_watermark.published_through, excluded.published_through)
"""


@dataclass(frozen=True, kw_only=True)
class WatermarkSource:
    """How far a service's output is complete, for the relay to publish.

    `complete_through(tx, partitions)` gives the instant up to which each output partition is
    complete, where there is one; `record(partition, instant)` makes the record that says it.
    """

    complete_through: Callable[[sa.Connection, Iterable[int]], Mapping[int, datetime]]
    record: Callable[[int, datetime], Outgoing]


class Relay:
    """Publishes the outbox of a service, partition by partition, each under its own lock.

    Order within a partition is the order of the rows. At least once: a crash between the
    acknowledgement and the removal publishes again.
    """

    def __init__(
        self,
        database: Database,
        producer: Producer,
        *,
        partitions: int,
        watermarks: WatermarkSource | None = None,
        on_published: OnPublished = lambda _tx, _rows: None,
    ) -> None:
        self._database = database
        self._producer = producer
        self._partitions = list(range(partitions))
        self._locks = {
            "patience": str(IDLE_TIMEOUT_MS),
            "lock_class": LOCK_CLASS,
            "partitions": self._partitions,
        }
        self._watermarks = watermarks
        self._on_published = on_published
        self._said: Mapping[int, datetime] = {}

    def drain(self) -> int:
        """Publish all that is there and the watermarks that it completes; return how many rows.

        Buckets that another worker is draining are left to it. Raises `TryLater` when the bus did
        not acknowledge; the rows stay.
        """
        published = 0
        while True:
            rows = self._drain_once()
            published += rows
            if rows < READ_ROWS:
                return published

    def _drain_once(self) -> int:
        """One bounded transaction: what was acknowledged and removed is not published again when
        a later one fails. Only the one with a short read says how far time has come."""
        with self._database.transaction() as tx:
            locked = self._lock(tx)
            if not locked:
                return 0
            # Read before draining: all that was complete at this instant is in the outbox now.
            complete = self._complete_through(tx, locked)
            rows = self._publish_rows(tx, locked)
            said = self._publish_watermarks(tx, complete) if rows < READ_ROWS else self._said
        self._said = said  # only now that it is committed
        return rows

    def _lock(self, tx: sa.Connection) -> list[int]:
        """Buckets that are ours to drain. In the many turns in which no row waits and time has not
        come further there are none, and nothing is locked: two statements."""
        waiting = self._try_locks(tx, anyway=False)
        if waiting or not _news(self._complete_through(tx, self._partitions), self._said):
            return waiting
        return self._try_locks(tx, anyway=True)

    def _try_locks(self, tx: sa.Connection, *, anyway: bool) -> list[int]:
        return [row[0] for row in fetch(tx, _LOCK, {**self._locks, "anyway": anyway})]

    def _publish_rows(self, tx: sa.Connection, partitions: list[int]) -> int:
        rows = fetch(tx, _READ, (partitions, READ_ROWS))
        if not rows:
            return 0
        failpoints.hit("outbox_claimed")
        self._producer.publish([Outgoing(*row[1:]) for row in rows])
        failpoints.hit("acked_not_marked")
        self._on_published(tx, rows)
        execute(tx, _REMOVE, ([row[0] for row in rows],))
        for topic, count in Counter(row[1] for row in rows).items():
            PUBLISHED.labels(topic).inc(count)
        return len(rows)

    def _complete_through(
        self, tx: sa.Connection, partitions: Iterable[int]
    ) -> Mapping[int, datetime]:
        """Nothing for a service whose events carry no time of their own."""
        if self._watermarks is None:
            return {}
        return self._watermarks.complete_through(tx, partitions)

    def _publish_watermarks(
        self, tx: sa.Connection, complete: Mapping[int, datetime]
    ) -> Mapping[int, datetime]:
        """Publish what is new; returns what has been said of all partitions."""
        if self._watermarks is None or not _news(complete, self._said):
            return self._said
        said = dict(fetch(tx, _PUBLISHED))
        news = _news(complete, said)
        if news:
            self._producer.publish([self._watermarks.record(*item) for item in news.items()])
            execute(tx, _NOTE, (list(news), list(news.values())))
        return {**said, **news}


def _news(complete: Mapping[int, datetime], said: Mapping[int, datetime]) -> dict[int, datetime]:
    """The partitions that are complete to a later instant than has been said."""
    return {
        partition: instant
        for partition, instant in complete.items()
        if partition not in said or instant > said[partition]
    }
