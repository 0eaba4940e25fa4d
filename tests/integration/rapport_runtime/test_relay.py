"""The relay publishes each row that was committed, in order, and time only after all before it."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.errors import TryLater
from rapport_runtime.stream import outbox, positions, relay
from rapport_runtime.stream.positions import OffsetAdvance
from rapport_runtime.stream.relay import Mark, Relay, WatermarkSource
from tests.support.worlds.toy_ledger import (
    GROUP,
    MIDNIGHT,
    Crash,
    Topic,
    at,
    crash,
    output,
    partition,
    words,
)
from tests.support.worlds.toy_relay import OUT, append, plain, published, rows

pytestmark = pytest.mark.integration


@pytest.fixture
def bus(bus: MemoryBus) -> MemoryBus:
    bus.create(OUT, 2)
    return bus


def left(database: Database) -> int:
    with database.transaction() as tx:
        return int(fetch_value(tx, "SELECT count(*) FROM outbox"))


def mark(mark: Mark) -> Outgoing:
    value = f"mark:{(mark.instant - MIDNIGHT).days}".encode()
    return Outgoing(OUT, mark.partition, b"", value)


def timed(database: Database, producer: Producer, **options: int) -> Relay:
    """As ingestion's: time is complete up to the least of the group's two positions."""

    def complete(tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        reached = positions.complete_through(tx, GROUP, [partition(0), partition(1)])
        return {} if reached is None else dict.fromkeys(partitions, reached)

    return Relay(
        database,
        producer,
        output(Topic(OUT, 2)),
        watermarks=WatermarkSource(topic=OUT, complete_through=complete, record=mark),
        **options,
    )


def reach(database: Database, days: int) -> None:
    instant = MIDNIGHT + timedelta(days=days)
    with database.transaction() as tx:
        for tp in (partition(0), partition(1)):
            positions.create(tx, GROUP, tp, topic_id="x", next_offset=0)
        positions.claim(
            tx, GROUP, [OffsetAdvance(partition(part), 0, 0, instant) for part in (0, 1)]
        )


class Failing:
    """A producer that loses the acknowledgement: of the first, of all."""

    def __init__(self, bus: MemoryBus, *, written: int) -> None:
        self._bus = bus
        self._written = written

    def publish(self, records: Sequence[Outgoing]) -> None:
        self._bus.publish(records[: self._written])
        raise TryLater("no acknowledgement")

    def close(self) -> None:
        """Nothing to close."""


class TestRows:
    """At least once, in the order of each partition."""

    @pytest.mark.parametrize("count", [1, outbox.COPY_FROM_ROWS - 1, outbox.COPY_FROM_ROWS, 500])
    def test_the_order_of_a_partition_is_the_order_of_its_rows(
        self, bus: MemoryBus, database: Database, count: int
    ) -> None:
        values = words("w", count)
        append(database, *rows(0, *values))
        append(database, *rows(1, "other"), *rows(0, "last"))
        assert plain(database, bus).drain() == count + 2
        assert published(bus, 0) == [*values, "last"]
        assert published(bus, 1) == ["other"]
        assert left(database) == 0
        assert plain(database, bus).drain() == 0

    def test_bytes_stay_as_they_are(self, bus: MemoryBus, database: Database) -> None:
        raw = Outgoing(OUT, 1, b"\x00\xff", b"\xfe\x00")
        append(database, raw)
        append(database)
        strange = replace(output(Topic(OUT, 2)), event_id=lambda _value: "e1")
        Relay(database, bus, strange).drain()
        (record,) = bus.logs[partition(1)._replace(topic=OUT)]
        assert (record.key, record.value) == (b"\x00\xff", b"\xfe\x00")

    def test_what_was_rolled_back_is_never_published(
        self, bus: MemoryBus, database: Database
    ) -> None:
        with database.engine.connect() as connection:
            transaction = connection.begin()
            outbox.append(connection, rows(0, "never"))
            transaction.rollback()
        assert plain(database, bus).drain() == 0

    def test_a_crash_between_acknowledgement_and_removal_publishes_again(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, "a", "b"))
        with at("acked_not_marked", crash), pytest.raises(Crash):
            plain(database, bus).drain()
        assert left(database) == 2
        plain(database, bus).drain()
        assert published(bus) == ["a", "b", "a", "b"]

    @pytest.mark.parametrize("written", [0, 1, 2])
    def test_a_producer_that_fails_keeps_the_rows(
        self, bus: MemoryBus, database: Database, written: int
    ) -> None:
        append(database, *rows(0, "a", "b"))
        with pytest.raises(TryLater):
            plain(database, Failing(bus, written=written)).drain()
        assert left(database) == 2
        plain(database, bus).drain()
        assert published(bus)[written:] == ["a", "b"]

    def test_a_backlog_goes_in_bounded_transactions(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, *words("w", 35)))
        hits = 0

        def die_in_the_third() -> None:
            nonlocal hits
            hits += 1
            if hits == 3:
                raise Crash

        with at("acked_not_marked", die_in_the_third, times=9), pytest.raises(Crash):
            plain(database, bus, read_rows=10).drain()
        assert left(database) == 15
        assert plain(database, bus, read_rows=10).drain() == 15
        assert published(bus) == [*words("w", 30), *words("w", 35)[20:]]


class TestPartitions:
    """Two relays never drain one partition at once."""

    def test_a_partition_that_is_being_drained_is_left_alone(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, "a"))
        second = plain(database, bus)
        counts: list[int] = []

        def meanwhile() -> None:
            append(database, *rows(0, "b"), *rows(1, "c"))
            counts.append(second.drain())

        with at("outbox_claimed", meanwhile):
            plain(database, bus).drain()
        assert counts == [0]
        assert published(bus) == ["a"]
        second.drain()
        assert published(bus) == ["a", "b"]
        assert published(bus, 1) == ["c"]

    def test_the_other_partitions_are_drained_meanwhile(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, "a"), *rows(1, "b"))
        with database.transaction() as other:
            fetch(other, "SELECT pg_advisory_xact_lock(%(c)s, 0)", {"c": relay.LOCK_CLASS})
            assert plain(database, bus).drain() == 1
            assert (published(bus, 0), published(bus, 1)) == ([], ["b"])
        assert plain(database, bus).drain() == 1

    def test_many_relays_together_publish_every_row_once_and_in_order(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, *words("a", 60)), *rows(1, *words("b", 60)))
        relays = [plain(database, bus, read_rows=7) for _ in range(4)]
        threads = [threading.Thread(target=relay.drain) for relay in relays]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        plain(database, bus).drain()
        assert published(bus, 0) == words("a", 60)
        assert published(bus, 1) == words("b", 60)


_AFTER_LAST = relay._READ.replace(
    "ORDER BY", "AND id > (SELECT coalesce(max(value::bigint), 0) FROM seen) ORDER BY"
)
_REMEMBER_LAST = "INSERT INTO seen SELECT i::text FROM unnest(%(ids)b::bigint[]) AS i"


class TestLateCommits:
    """R21: ids are given out before the commit, so a smaller one may appear later."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_row_that_was_committed_late_is_published(
        self,
        bus: MemoryBus,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        *,
        mutant: bool,
    ) -> None:
        if mutant:  # a relay that remembers the last id instead of removing what it published
            monkeypatch.setattr(relay, "_READ", _AFTER_LAST)
            monkeypatch.setattr(relay, "_REMOVE", _REMEMBER_LAST)
        subject = plain(database, bus)
        with database.engine.connect() as late:
            transaction = late.begin()
            outbox.append(late, rows(0, "late"))  # takes the smaller id
            append(database, *rows(0, "early"))
            subject.drain()
            transaction.commit()
        subject.drain()
        assert ("late" in published(bus)) is not mutant
        assert published(bus)[0] == "early"


class TestWatermarks:
    """Time follows the rows that it says are complete."""

    def test_none_before_every_expected_position_has_one(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, "a"))
        timed(database, bus).drain()
        assert published(bus) == ["a"]

    def test_it_follows_the_rows_on_every_partition_empty_ones_too(
        self, bus: MemoryBus, database: Database
    ) -> None:
        append(database, *rows(0, "a", "b"))
        reach(database, 1)
        subject = timed(database, bus)
        assert subject.drain() == 2
        assert published(bus, 0) == ["a", "b", "mark:1"]
        assert published(bus, 1) == ["mark:1"]
        subject.drain()
        assert published(bus, 1) == ["mark:1"]

    def test_what_comes_after_time_was_read_waits_for_the_next_mark(
        self, bus: MemoryBus, database: Database
    ) -> None:
        """Time that moved on after it was read is not published: its rows may be missing."""
        reach(database, 1)
        append(database, *rows(0, "a"))

        def meanwhile() -> None:
            append(database, *rows(0, "b"))
            reach(database, 2)

        subject = timed(database, bus)
        with at("outbox_claimed", meanwhile):
            subject.drain()
        assert published(bus) == ["a", "mark:1"]
        subject.drain()
        assert published(bus) == ["a", "mark:1", "b", "mark:2"]

    @pytest.mark.parametrize("mutant", [False, True])
    def test_no_mark_overtakes_a_row_that_was_complete_at_its_time(
        self,
        bus: MemoryBus,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        *,
        mutant: bool,
    ) -> None:
        """Mutant: time is read after the draining instead of before it."""
        subject = timed(database, bus)
        reach(database, 1)
        append(database, *rows(0, "a"))
        if mutant:
            publish = subject._publish_watermarks
            monkeypatch.setattr(
                subject,
                "_publish_watermarks",
                lambda tx, known: publish(tx, subject._complete_through(tx, list(known))),
            )

        def meanwhile() -> None:
            append(database, *rows(0, "b"))
            reach(database, 2)

        with at("acked_not_marked", meanwhile):
            subject.drain()
        subject.drain()
        log = published(bus)
        assert (log.index("b") < log.index("mark:2")) is not mutant

    def test_a_backlog_is_drained_before_the_mark(self, bus: MemoryBus, database: Database) -> None:
        append(database, *rows(0, *words("w", 30)))
        reach(database, 1)
        assert timed(database, bus, read_rows=10).drain() == 30
        assert published(bus) == [*words("w", 30), "mark:1"]

    def test_it_never_goes_backwards(self, bus: MemoryBus, database: Database) -> None:
        reach(database, 2)
        timed(database, bus).drain()
        back = Relay(
            database,
            bus,
            output(Topic(OUT, 2)),
            watermarks=WatermarkSource(
                topic=OUT,
                complete_through=lambda _tx, partitions: dict.fromkeys(partitions, MIDNIGHT),
                record=mark,
            ),
        )
        back.drain()
        assert published(bus) == ["mark:2"]
        with database.transaction() as tx:
            stored = fetch(tx, "SELECT published_through FROM outbox_watermark")
        assert {row.published_through for row in stored} == {MIDNIGHT + timedelta(days=2)}

    def test_one_that_was_not_acknowledged_is_published_again(
        self, bus: MemoryBus, database: Database
    ) -> None:
        reach(database, 1)
        with pytest.raises(TryLater):
            timed(database, Failing(bus, written=0)).drain()
        timed(database, bus).drain()
        assert published(bus) == ["mark:1"]
