"""Real time is told behind all that was committed before it, and only there."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.errors import TryLater
from rapport_runtime.stream.real_time import EVERY_SECONDS, RealTimeMarks
from rapport_runtime.stream.relay import LOCK_CLASS, Mark
from tests.support.worlds.toy_relay import OUT, append, plain, published, rows

pytestmark = pytest.mark.integration
_HOLD = "SELECT pg_advisory_xact_lock(%(lock_class)s, 0)"


class Teller:
    """The marks of one process, on a monotonic clock that the test sets."""

    def __init__(self, database: Database, bus: MemoryBus) -> None:
        self.told: list[Mark] = []
        self.seconds = 0.0
        relay = plain(database, bus)
        self.marks = RealTimeMarks(database, bus, relay, OUT, self._record, lambda: self.seconds)

    def _record(self, mark: Mark) -> Outgoing:
        self.told.append(mark)
        return Outgoing(OUT, mark.partition, b"watermark", b"mark")


@pytest.fixture
def teller(bus: MemoryBus, database: Database) -> Iterator[Teller]:
    bus.create(OUT, 2)
    return Teller(database, bus)


def clock(database: Database) -> datetime:
    with database.transaction() as tx:
        now: datetime = fetch_value(tx, "SELECT now()")
        return now


def test_time_is_told_every_ten_seconds_behind_the_rows(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    before = clock(database)
    append(database, *rows(0, "a"))
    teller.marks.drain()
    append(database, *rows(0, "b"))
    teller.marks.drain()
    assert published(bus, 0) == ["a", "mark", "b"]
    teller.seconds = EVERY_SECONDS
    teller.marks.drain()
    assert published(bus, 0) == ["a", "mark", "b", "mark"]
    assert published(bus, 1) == []
    first, second = teller.told
    assert before < first.instant < second.instant < clock(database)
    assert [first.last_event_id, second.last_event_id] == ["a", "b"]


def test_no_time_is_told_while_a_row_waits_that_another_worker_publishes(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    append(database, *rows(0, "a"))
    with database.engine.connect() as other, other.begin():
        fetch(other, _HOLD, {"lock_class": LOCK_CLASS})
        teller.marks.drain()
        assert published(bus, 0) == []
    teller.marks.drain()
    assert published(bus, 0) == ["a", "mark"]


def test_no_time_is_told_while_the_bus_is_away(
    teller: Teller, bus: MemoryBus, database: Database
) -> None:
    append(database, *rows(0, "a"))
    bus.down = True
    with pytest.raises(TryLater):
        teller.marks.drain()
    bus.down = False
    teller.marks.drain()
    assert published(bus, 0) == ["a", "mark"]
