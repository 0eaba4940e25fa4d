"""The only writer to the bus, with the marks of `real_time.py`.

It publishes the outbox, then a watermark: the time up to which the outbox was complete.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Outgoing, Producer, TopicPartition
from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.metrics import PUBLISHED
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import published
from rapport_runtime.stream.drained import DrainedMark
from rapport_runtime.stream.outbox import OutboxRow
from rapport_runtime.stream.output import Output

LOCK_CLASS = 0x0B0C
"""The advisory-lock class of outbox partitions: one lock for each output partition."""

IDLE_TIMEOUT_MS = 45_000
"""Above the producer's delivery timeout: an open transaction waits for acknowledgements here."""

READ_ROWS = 10_000

PRUNE_SECONDS = 60.0
"""How often the kept ids of a partition are pruned, while something is published there."""

OnPublished = Callable[[Connection, Sequence[OutboxRow]], None]
"""The relay calls it with the rows that the bus acknowledged, in the order of their ids. The call
stands in the transaction that removes these rows and holds the locks of their partitions, so what
it writes is written once for each row."""

# The timeout holds until the transaction ends. A relay that finds no rows tries no lock, unless
# `when_empty`. The look has an order, which EXISTS would not keep: it goes by the index, from the
# mark on.
_LOCK = """
    SELECT partition
    FROM set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true),
        unnest(%(partitions)s::int[]) AS partition
    WHERE (%(when_empty)s OR 0 < (
            SELECT id FROM outbox WHERE id > coalesce((SELECT through FROM outbox_drained), 0)
            ORDER BY id LIMIT 1))
        AND pg_try_advisory_xact_lock(%(lock_class)s, partition)
"""
_READ = """
    SELECT id, topic, partition, key, value FROM outbox
    WHERE partition = ANY(%(partitions)s)
      AND id > coalesce((SELECT through FROM outbox_drained), 0)
    ORDER BY id LIMIT %(limit)s
"""
_REMOVE = "DELETE FROM outbox WHERE id = ANY(%(ids)b::bigint[])"
_PUBLISHED = "SELECT partition, published_through FROM outbox_watermark"
_SAVE_PUBLISHED = """
    INSERT INTO outbox_watermark (partition, published_through)
    SELECT * FROM unnest(%(partitions)b::int[], %(instants)b::timestamptz[])
    ON CONFLICT (partition) DO UPDATE
    SET published_through = greatest(outbox_watermark.published_through, excluded.published_through)
"""


class Mark(NamedTuple):
    """A watermark to be published: the instant up to which the partition is complete, the id of
    the last event before it (None: there was none), and the incarnation of the database."""

    partition: int
    instant: datetime
    last_event_id: str | None
    incarnation: str


@dataclass(frozen=True, kw_only=True)
class WatermarkSource:
    """How far a service's output is complete, for the relay to publish.

    `complete_through(tx, partitions)` gives the instant up to which each output partition is
    complete, where there is one; `record` makes the record of `topic` that says it.
    """

    topic: str
    complete_through: Callable[[Connection, Iterable[int]], Mapping[int, datetime]]
    record: Callable[[Mark], Outgoing]


class Relay:
    """Publishes the outbox of a service, partition by partition, each under its own lock.

    Order within a partition is the order of the rows. At least once: a crash between the
    acknowledgement and the removal publishes again.
    """

    def __init__(
        self,
        database: Database,
        producer: Producer,
        output: Output,
        *,
        watermarks: WatermarkSource | None = None,
        on_published: OnPublished = lambda _tx, _rows: None,
        read_rows: int = READ_ROWS,
    ) -> None:
        """One transaction publishes up to `read_rows` rows."""
        self._database = database
        self._producer = producer
        self._partitions = list(range(output.partitions))
        self._event_id = output.event_id
        self._watermarks = watermarks
        self._on_published = on_published
        self._read_rows = read_rows
        self._published: Mapping[int, datetime] = {}
        self._prune_at: dict[TopicPartition, float] = {}
        self._drained = DrainedMark(database)

    def drain(self) -> int:
        """Publish all rows and the watermarks that they complete; return the number of rows.

        Partitions that another worker is draining are left to it. Raises `TryLater` when the bus
        did not acknowledge; the rows stay.
        """
        total = 0
        while True:
            rows = self._drain_once()
            total += rows
            self._drained.move()
            if rows < self._read_rows:
                return total

    def _drain_once(self) -> int:
        """One bounded transaction: what was acknowledged and removed is not published again when
        a later one fails. Only one that has read the last row publishes watermarks."""
        with self._database.transaction() as tx:
            locked = self._lock(tx)
            if not locked:
                return 0
            # Read before draining: all that was complete at this instant is in the outbox now.
            complete = self._complete_through(tx, locked)
            rows = self._publish_rows(tx, locked)
            through = self._published
            if rows < self._read_rows:
                through = self._publish_watermarks(tx, complete)
        self._published = through  # only now that it is committed
        return rows

    def _lock(self, tx: Connection) -> list[int]:
        """Lock the partitions that this relay may drain, and return them.

        Most turns find no rows and no new watermark; they lock nothing and cost two statements.
        """
        waiting = self._try_locks(tx, when_empty=False)
        if waiting:
            return waiting
        if not _later(self._complete_through(tx, self._partitions), self._published):
            return []
        return self._try_locks(tx, when_empty=True)

    def _try_locks(self, tx: Connection, *, when_empty: bool) -> list[int]:
        parameters = {
            "idle_timeout": str(IDLE_TIMEOUT_MS),
            "lock_class": LOCK_CLASS,
            "partitions": self._partitions,
            "when_empty": when_empty,
        }
        return [row.partition for row in fetch(tx, _LOCK, parameters)]

    def _publish_rows(self, tx: Connection, partitions: list[int]) -> int:
        rows = fetch(tx, _READ, {"partitions": partitions, "limit": self._read_rows})
        if not rows:
            return 0
        failpoints.hit("outbox_claimed")
        self._producer.publish(
            [Outgoing(row.topic, row.partition, row.key, row.value) for row in rows]
        )
        failpoints.hit("acked_not_marked")
        self._on_published(tx, rows)
        self._keep_ids(tx, rows)
        execute(tx, _REMOVE, {"ids": [row.id for row in rows]})
        self._drained.removed(len(rows), rows[-1].id)
        for topic, count in Counter(row.topic for row in rows).items():
            PUBLISHED.labels(topic).inc(count)
        return len(rows)

    def _keep_ids(self, tx: Connection, rows: Sequence[OutboxRow]) -> None:
        """Keep the ids of rows that leave the outbox, and prune those places now and then."""
        ids: dict[TopicPartition, list[str]] = {}
        for _id, topic, partition, _key, value in rows:
            ids.setdefault(TopicPartition(topic, partition), []).append(self._event_id(value))
        published.keep(tx, ids)
        now = time.monotonic()
        due = {place for place in ids if now >= self._prune_at.get(place, 0.0)}
        if due:
            published.prune(tx, due)
            self._prune_at |= dict.fromkeys(due, now + PRUNE_SECONDS)

    def _complete_through(
        self, tx: Connection, partitions: Iterable[int]
    ) -> Mapping[int, datetime]:
        """Empty for a service whose events carry no time of their own."""
        if self._watermarks is None:
            return {}
        return self._watermarks.complete_through(tx, partitions)

    def _publish_watermarks(
        self, tx: Connection, complete: Mapping[int, datetime]
    ) -> Mapping[int, datetime]:
        """Publish the watermarks that are later than the published ones; return those of all
        partitions."""
        if self._watermarks is None or not _later(complete, self._published):
            return self._published
        known = {row.partition: row.published_through for row in fetch(tx, _PUBLISHED)}
        later = _later(complete, known)
        if later:
            # Read under the partitions' locks: another relay may have published since.
            last = published.newest(tx, self._watermarks.topic, later)
            digits = incarnation.current(tx)
            marks = [Mark(*item, last[item[0]], digits) for item in later.items()]
            self._producer.publish([self._watermarks.record(mark) for mark in marks])
            parameters = {"partitions": list(later), "instants": list(later.values())}
            execute(tx, _SAVE_PUBLISHED, parameters)
        return {**known, **later}


def _later(
    complete: Mapping[int, datetime], published: Mapping[int, datetime]
) -> dict[int, datetime]:
    """The partitions that are complete to a later instant than was published."""
    return {
        partition: instant
        for partition, instant in complete.items()
        if partition not in published or instant > published[partition]
    }
