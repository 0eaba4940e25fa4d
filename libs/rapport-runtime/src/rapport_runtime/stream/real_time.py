"""Tells the readers of a topic, by real time, up to when they know all that belongs there.

Other watermarks carry business time, which may stand still for days: by it nobody can tell whether
a sender is away.
"""

import time
from collections.abc import Callable
from typing import Final

from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.database import Database, real_time
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import published
from rapport_runtime.stream.relay import Mark, Relay
from rapport_runtime.stream.topic_marks import waiting

EVERY_SECONDS: Final = 10.0


class RealTimeMarks:
    """Publishes the outbox by a relay, and every 10 seconds a watermark of real time on a topic of
    one partition: a reader that has had none for long may miss something. `record` makes its
    record."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        relay: Relay,
        topic: str,
        record: Callable[[Mark], Outgoing],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._producer = producer
        self._relay = relay
        self._topic = topic
        self._record = record
        self._monotonic = monotonic
        self._due = float("-inf")

    def drain(self) -> None:
        """Publish all rows and what is due. Raises `TryLater` as the relay does."""
        if self._monotonic() < self._due:
            self._relay.drain()
            return
        with self._database.transaction() as tx:
            now = real_time(tx)
        self._relay.drain()
        with self._database.transaction() as tx:
            if waiting(tx, self._topic, now):
                return  # another worker publishes it at the moment
            last, digits = published.newest(tx, self._topic, [0])[0], incarnation.current(tx)
        self._producer.publish([self._record(Mark(0, now, last, digits))])
        self._due = self._monotonic() + EVERY_SECONDS
