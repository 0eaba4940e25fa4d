"""Watermarks of one topic whose time is its own: it stands while its own sources are not read, and
holds up no other topic's."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.database import Database, fetch, real_time
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import published
from rapport_runtime.stream.relay import Mark
from rapport_runtime.topics import Partitioned

# A row that was committed before `now` is older, and leaves the outbox only when the bus has
# acknowledged it.
_WAIT: Final = """
    SELECT DISTINCT partition FROM outbox
    WHERE id > coalesce((SELECT through FROM outbox_drained), 0)
      AND topic = %(topic)s AND created_at <= %(now)s
"""


class TopicMarks:
    """Publishes the outbox by `drain`, and behind it the watermarks of one topic.

    `through(tx)` gives the instant up to which all that belongs on the topic is in the outbox, None
    where there is none; `record` makes a watermark's record. Several workers may publish the same
    instant, or an earlier one late: readers pass over both.
    """

    def __init__(
        self,
        database: Database,
        producer: Producer,
        drain: Callable[[], object],
        topic: Partitioned,
        through: Callable[[Connection], datetime | None],
        record: Callable[[Mark], Outgoing],
    ) -> None:
        self._database = database
        self._producer = producer
        self._drain = drain
        self._topic = topic
        self._through = through
        self._record = record
        self._said: dict[int, datetime] = {}

    def drain(self) -> None:
        """Publish all rows and what is due. Raises `TryLater` as the relay does."""
        with self._database.transaction() as tx:
            through, now = self._through(tx), real_time(tx)
        self._drain()
        if through is not None:
            self._publish(through, now)

    def _publish(self, through: datetime, now: datetime) -> None:
        every = range(self._topic.partitions)
        due = [one for one in every if one not in self._said or through > self._said[one]]
        if not due:
            return
        marks = self._marks(due, through, now)
        self._producer.publish([self._record(mark) for mark in marks])
        self._said |= {mark.partition: through for mark in marks}

    def _marks(self, due: Sequence[int], through: datetime, now: datetime) -> list[Mark]:
        """The watermarks of those of the partitions where nothing waits that another worker
        publishes at the moment."""
        with self._database.transaction() as tx:
            held_up = waiting(tx, self._topic.name, now)
            last = published.newest(tx, self._topic.name, due)
            digits = incarnation.current(tx)
        return [Mark(one, through, last[one], digits) for one in due if one not in held_up]


def waiting(tx: Connection, topic: str, now: datetime) -> set[int]:
    """The partitions of a topic for which rows from before `now` wait in the outbox."""
    return {row.partition for row in fetch(tx, _WAIT, {"topic": topic, "now": now})}
