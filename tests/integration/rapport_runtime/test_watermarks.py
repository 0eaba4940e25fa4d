"""How a reader of other people's topics knows that it has read all there was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from rapport_runtime.bus.memory import MemoryBus, MemoryConsumer
from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import TryLater
from rapport_runtime.stream import watermarks
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.watermarks import Now, ReadToEnd
from tests.support.worlds.toy_ledger import (
    GROUP,
    MIDNIGHT,
    NEVER,
    TOPIC,
    Ledger,
    loop_of,
    partition,
)

pytestmark = pytest.mark.integration
OUT = "out.v1"


def reader(ledger: Ledger, now: Now, *, jumps: bool = True) -> ReadToEnd:
    return ReadToEnd(ledger.database, GROUP, now, jumps=jumps)


def standing(bus: MemoryBus, ledger: Ledger) -> tuple[MemoryConsumer, BatchLoop]:
    """A member and its loop, which holds both partitions and has read all there is."""
    consumer = bus.consumer(GROUP, [TOPIC])
    loop = loop_of(consumer, ledger)
    loop.turn(NEVER)
    return consumer, loop


class TestReadToEnd:
    """An empty poll proves nothing; the end, asked for after the time was read, does."""

    def reached(self, ledger: Ledger) -> dict[int, datetime | None]:
        found = ledger.rows("SELECT partition, processed_through FROM consumer_position")
        return {row.partition: row.processed_through for row in found}

    def test_only_partitions_that_were_read_to_their_end_move(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        consumer, subject = standing(bus, ledger)
        bus.append(TOPIC, 0, b"k", b"a")
        now = MIDNIGHT
        step = reader(ledger, lambda _tx: now)
        step.observe(consumer, subject)
        assert self.reached(ledger) == {0: None, 1: MIDNIGHT}
        subject.turn(NEVER)
        step.observe(consumer, subject)
        assert self.reached(ledger) == {0: MIDNIGHT, 1: MIDNIGHT}
        assert subject.positions[partition(0)].processed_through == MIDNIGHT

    def test_a_reader_that_never_stands_at_the_end_proves_what_the_end_was(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        consumer, subject = standing(bus, ledger)
        times = iter([MIDNIGHT, *(MIDNIGHT + timedelta(hours=hour) for hour in (1, 2))])
        step = reader(ledger, lambda _tx: next(times))
        bus.append(TOPIC, 0, b"k", b"a")
        step.observe(consumer, subject)
        subject.turn(NEVER)
        bus.append(TOPIC, 0, b"k", b"b")
        step.observe(consumer, subject)
        assert self.reached(ledger)[0] == MIDNIGHT
        subject.turn(NEVER)
        bus.append(TOPIC, 0, b"k", b"c")
        step.observe(consumer, subject)
        assert self.reached(ledger) == {0: MIDNIGHT, 1: MIDNIGHT + timedelta(hours=2)}

    def test_a_reader_that_lags_is_not_given_a_later_end(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        consumer, subject = standing(bus, ledger)
        times = iter([MIDNIGHT, *(MIDNIGHT + timedelta(hours=hour) for hour in (1, 2))])
        step = reader(ledger, lambda _tx: next(times))
        for value in (b"a", b"b"):
            bus.append(TOPIC, 0, b"k", value)
            step.observe(consumer, subject)
        ledger.run("UPDATE consumer_position SET next_offset = 1 WHERE partition = 0")
        subject.advance({partition(0): replace(subject.positions[partition(0)], next_offset=1)})
        step.observe(consumer, subject)
        assert self.reached(ledger)[0] == MIDNIGHT

    def test_a_clock_that_runs_evenly_is_not_looked_at_in_every_turn(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        consumer, subject = standing(bus, ledger)
        looks: list[datetime] = []

        def now(_tx: Connection) -> datetime:
            looks.append(MIDNIGHT)
            return MIDNIGHT

        step = reader(ledger, now, jumps=False)
        bus.append(TOPIC, 0, b"k", b"a")
        for _ in range(3):
            step.observe(consumer, subject)
            subject.turn(NEVER)
        assert len(looks) == 1
        assert self.reached(ledger) == {0: MIDNIGHT, 1: MIDNIGHT}

    @pytest.mark.parametrize(("jumps", "is_followed"), [(True, True), (False, False)])
    def test_a_clock_that_is_set_is_followed_by_whatever_step(
        self,
        bus: MemoryBus,
        ledger: Ledger,
        monkeypatch: pytest.MonkeyPatch,
        *,
        jumps: bool,
        is_followed: bool,
    ) -> None:
        """It stands afterwards, so nothing larger comes; one that runs comes to a second soon."""
        monkeypatch.setattr(watermarks, "READ_CLOCK_SECONDS", 0.0)
        consumer, subject = standing(bus, ledger)
        later = MIDNIGHT + timedelta(microseconds=1)
        times = [MIDNIGHT, later]
        step = reader(ledger, lambda _tx: times.pop(0) if len(times) > 1 else later, jumps=jumps)
        for _ in range(2):
            step.observe(consumer, subject)
        reached = later if is_followed else MIDNIGHT
        assert self.reached(ledger) == {0: reached, 1: reached}

    def test_time_is_read_before_the_end_is_asked_for(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        consumer, subject = standing(bus, ledger)
        order: list[str] = []
        ends = consumer.end_offsets

        def recorded(partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
            order.append("ends")
            return ends(partitions)

        def now(_tx: Connection) -> datetime:
            order.append("now")
            return MIDNIGHT

        monkeypatch.setattr(consumer, "end_offsets", recorded)
        step = reader(ledger, now)
        step.observe(consumer, subject)
        assert order == ["now", "ends"]

    def test_a_broker_that_is_down_proves_nothing(self, bus: MemoryBus, ledger: Ledger) -> None:
        consumer, subject = standing(bus, ledger)
        bus.down = True
        assert consumer.poll(0, 10) == {}
        with pytest.raises(TryLater):
            reader(ledger, lambda _tx: MIDNIGHT).observe(consumer, subject)
        assert self.reached(ledger) == {0: None, 1: None}

    def test_where_another_worker_has_moved_on_nothing_is_stored(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        consumer, subject = standing(bus, ledger)
        ledger.run("UPDATE consumer_position SET next_offset = 5 WHERE partition = 0")
        reader(ledger, lambda _tx: MIDNIGHT).observe(consumer, subject)
        assert self.reached(ledger) == {0: None, 1: MIDNIGHT}

    def test_it_asks_about_once_a_second_where_the_clock_runs(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watermarks, "READ_CLOCK_SECONDS", 0.0)
        consumer, subject = standing(bus, ledger)
        times = [MIDNIGHT + timedelta(seconds=s) for s in (0, 0.5, 1.2, 86_400)]
        now = iter(times)
        step = reader(ledger, lambda _tx: next(now), jumps=False)
        seen = []
        for _ in times:
            step.observe(consumer, subject)
            seen.append(self.reached(ledger)[0])
        assert seen == [times[0], times[0], times[2], times[3]]

    def test_what_it_has_proved_is_settled_without_a_wait_for_records(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        consumer, subject = standing(bus, ledger)
        waited: list[float] = []
        poll = consumer.poll

        def noted(seconds: float, records: int) -> Mapping[TopicPartition, Sequence[Record]]:
            waited.append(seconds)
            return poll(seconds, records)

        monkeypatch.setattr(consumer, "poll", noted)
        times = iter([MIDNIGHT, MIDNIGHT, MIDNIGHT + timedelta(days=1)])
        step = reader(ledger, lambda _tx: next(times))
        for _ in range(3):
            step.observe(consumer, subject)  # the second has no news
            subject.turn(NEVER)
        subject.turn(NEVER)
        assert [seconds > 0 for seconds in waited] == [False, True, False, True]

    def test_without_a_business_time_nothing_is_asked(self, bus: MemoryBus, ledger: Ledger) -> None:
        consumer, subject = standing(bus, ledger)
        bus.down = True
        reader(ledger, lambda _tx: None).observe(consumer, subject)
