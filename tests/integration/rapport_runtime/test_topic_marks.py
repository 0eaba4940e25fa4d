"""The time of one topic alone is told behind all that was committed before it, and only there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import TryLater
from rapport_runtime.stream.relay import LOCK_CLASS, Mark
from rapport_runtime.stream.topic_marks import TopicMarks
from rapport_runtime.topics import Partitioned
from tests.support.worlds.toy_relay import OUT, append, plain, published, rows

pytestmark = pytest.mark.integration
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
_HOLD = "SELECT pg_advisory_xact_lock(%(lock_class)s, 0)"


class Out:
    """The topic of the toy relay."""

    name, partitions = OUT, 2


class Teller:
    """The marks of one process; the test says through when its sources were read."""

    def __init__(self, database: Database, bus: MemoryBus) -> None:
        self.told: list[Mark] = []
        self.through: datetime | None = None
        topic: Partitioned = Out()
        self.marks = TopicMarks(
            database, bus, plain(database, bus).drain, topic, lambda _: self.through, self._record
        )

    def _record(self, mark: Mark) -> Outgoing:
        self.told.append(mark)
        return Outgoing(OUT, mark.partition, b"watermark", b"mark")


@pytest.fixture
def teller(bus: MemoryBus, database: Database) -> Iterator[Teller]:
    bus.create(OUT, 2)
    return Teller(database, bus)


def test_time_is_told_on_every_partition_behind_the_rows_and_once(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    append(database, *rows(0, "a"))
    teller.marks.drain()
    assert (published(bus, 0), teller.told) == (["a"], [])
    teller.through = NOON
    append(database, *rows(0, "b"))
    teller.marks.drain()
    teller.marks.drain()
    assert (published(bus, 0), published(bus, 1)) == (["a", "b", "mark"], ["mark"])
    assert [(mark.instant, mark.last_event_id) for mark in teller.told] == [
        (NOON, "b"),
        (NOON, None),
    ]
    teller.through = NOON + timedelta(seconds=1)
    teller.marks.drain()
    assert published(bus, 1) == ["mark", "mark"]


def test_no_time_is_told_where_a_row_waits_that_another_worker_publishes(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    teller.through = NOON
    append(database, *rows(0, "a"))
    with database.engine.connect() as other, other.begin():
        fetch(other, _HOLD, {"lock_class": LOCK_CLASS})
        teller.marks.drain()
        assert (published(bus, 0), published(bus, 1)) == ([], ["mark"])
    teller.marks.drain()
    assert (published(bus, 0), published(bus, 1)) == (["a", "mark"], ["mark"])


def test_no_time_is_told_while_the_bus_is_away(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    teller.through = NOON
    append(database, *rows(0, "a"))
    bus.down = True
    with pytest.raises(TryLater):
        teller.marks.drain()
    bus.down = False
    teller.marks.drain()
    assert published(bus, 0) == ["a", "mark"]
