"""The door of source topics: from a booking's record to its activity on the bus."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import ActivityRecorded
from rapport_devkit.stack import Stack
from tools.bench import reading
from tools.bench.doors.door import Door, Parties, Start, Waited, logged, new_run, waited
from tools.bench.order import Order

ACTIVITY = topics.CLIENT_ACTIVITY
TRIED_A_SECOND = 3_000
"""So many bookings for each second of the search for the capacity; it may take longer."""
GRACE_SECONDS = 20.0
CAPACITY_SECONDS = 60.0


@dataclass
class BusDoor(Door):
    """Ingestion's worker, as it runs in production."""

    stack: Stack
    folder: Path
    parties: Parties
    title: str = "bus, booking to activity"
    unit: str = "events"

    def capacity(self, seconds: float) -> float:
        """See `Door.capacity`. Raises RuntimeError when the worker does not come to an end."""
        order = self._order(int(seconds * TRIED_A_SECOND), rate=0.0, practices=self.parties.quiet)
        before = reading.ends(order, ACTIVITY)
        with logged(self.folder, "bookings", order) as source:
            begun = time.time()
            source.go()
            source.outcome()
            ended = self._activities(order, before, order.records, CAPACITY_SECONDS)
        if len(ended) < order.records:
            raise RuntimeError(f"{len(ended)} activities of {order.records} bookings")
        return order.records / (max(ended.values()) - begun)

    @contextmanager
    def flooded(self, seconds_worth: float, capacity: float) -> Iterator[Start]:
        """See `Door.flooded`."""
        order = self._order(int(seconds_worth * capacity), 0.0, [self.parties.flooder])
        with logged(self.folder, "bookings", order) as flood:
            yield flood.go
            print(f"    {order.records:,} events sent in {flood.outcome().seconds:.1f} s")

    def paced(self, rate: float, seconds: float, start: Start = lambda: None) -> Waited:
        """See `Door.paced`."""
        order = self._order(int(rate * seconds), rate, self.parties.quiet)
        before = reading.ends(order, ACTIVITY)
        with logged(self.folder, "bookings", order) as source:
            source.go()
            start()
            sent = source.outcome().marks
        ended = self._activities(order, before, len(sent), GRACE_SECONDS)
        return waited(sent, ended, until=time.time())

    def _order(self, records: int, rate: float, practices: Collection[str]) -> Order:
        return Order(
            bootstrap=self.stack.kafka.bootstrap,
            database_url="",
            records=records,
            topic_prefix=self.stack.options.topic_prefix,
            rate=rate,
            run=new_run("b"),
            practices=list(practices),
        )

    def _activities(
        self, order: Order, before: Mapping[TopicPartition, int], wanted: int, seconds: float
    ) -> dict[str, float]:
        """When the broker stored the activity of each booking of a run, by its own stamp; as many
        as are wanted, or as have come in so many seconds."""
        name, run, found = ACTIVITY.name, order.run.encode(), {}
        for record in reading.follow(order, before, seconds):
            if run not in record.value:
                continue
            event = codec.decode(name, record.key, record.value)
            if isinstance(event, ActivityRecorded) and event.data.cause_id:
                found[event.data.cause_id] = record.timestamp / 1000
                if len(found) == wanted:
                    break
        return found
