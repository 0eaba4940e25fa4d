"""A worker looks at the end of its own output before its database is used (ADR 28)."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import LogBounds, Outgoing, Record, TopicPartition
from rapport_runtime.database import Database, execute, fetch, fetch_value
from rapport_runtime.errors import DatabaseIsOlder, TryLater
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import outbox, published
from rapport_runtime.stream.look import OutputLook, last_events
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.relay import Mark, Relay, WatermarkSource
from tests.support.worlds.toy_ledger import (
    MIDNIGHT,
    SOURCE,
    Crash,
    Head,
    Topic,
    at,
    crash,
    output,
    words,
    worker_database,
)

pytestmark = pytest.mark.integration
DAYS = "UPDATE published_events SET at = at - make_interval(days => %(days)s)"


OUT, OTHER = Topic("out.v1", 2), Topic("other.v1", 1)


OUTPUT = output(OUT, OTHER)


def head_of_a_life(value: bytes) -> Head:
    """An event is JSON with its id."""
    if value.startswith(b"mark:"):
        return Head(SOURCE, value[5:].decode(), is_watermark=True, time=MIDNIGHT)
    return Head(SOURCE, json.loads(value)["id"], is_watermark=False, time=MIDNIGHT)


LIVES = Output(source=SOURCE, topics=[OUT], event_id=bytes.decode, head=head_of_a_life)


@pytest.fixture
def bus() -> MemoryBus:
    made = MemoryBus()
    for topic in (OUT, OTHER):
        made.create(*topic)
    return made


@pytest.fixture
def opened(
    runtime_database: ServiceDatabase, database: Database
) -> Iterator[Callable[[], Database]]:
    """Opens the database anew, as another process; the tables are empty at first."""
    made: list[Database] = []

    def open_again() -> Database:
        made.append(worker_database(runtime_database))
        return made[-1]

    yield open_again
    for one in made:
        one.close()


def relay(database: Database, bus: MemoryBus, *, is_timed: bool = False) -> Relay:
    def mark(mark: Mark) -> Outgoing:
        value = f"mark:{mark.last_event_id or ''}".encode()
        return Outgoing(OUT.name, mark.partition, b"", value)

    watermarks = WatermarkSource(
        topic=OUT.name,
        complete_through=lambda _tx, partitions: dict.fromkeys(partitions, MIDNIGHT),
        record=mark,
    )
    return Relay(
        database,
        bus,
        OUTPUT,
        watermarks=watermarks if is_timed else None,
    )


def append(database: Database, *values: str, number: int = 0, topic: Topic = OUT) -> None:
    with database.transaction() as tx:
        outbox.append(tx, [Outgoing(topic.name, number, b"k", each.encode()) for each in values])


def pass_days(database: Database, days: int) -> None:
    with database.transaction() as tx:
        execute(tx, DAYS, {"days": days})


def look(database: Database, bus: MemoryBus) -> None:
    """Open the database for a worker, and use it once."""
    database.vet(OutputLook(database, OUTPUT, lambda: bus))
    with database.transaction():
        pass


def is_older(database: Database) -> bool:
    with database.transaction(vetted=False) as tx:
        return bool(fetch_value(tx, "SELECT older_since IS NOT NULL FROM incarnation"))


class TestKnownEnds:
    """No false alarm."""

    def test_an_empty_topic_is_known(self, bus: MemoryBus, opened: Callable[[], Database]) -> None:
        look(opened(), bus)

    def test_what_the_relay_published_is_known(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, *words("a", 100))
        append(database, "b", number=1)
        append(database, "c", topic=OTHER)
        relay(database, bus).drain()
        look(opened(), bus)

    def test_what_was_published_by_a_relay_that_died_before_it_could_say_so_is_known(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, *words("a", 3))
        with at("acked_not_marked", crash), pytest.raises(Crash):
            relay(database, bus).drain()
        look(opened(), bus)

    def test_a_watermark_is_known_by_the_event_before_it(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, "a", "b")
        relay(database, bus, is_timed=True).drain()
        marks = [bus.logs[TopicPartition(OUT.name, each)][-1].value for each in (0, 1)]
        assert marks == [b"mark:b", b"mark:"]
        look(opened(), bus)

    def test_a_watermark_of_a_relay_that_died_behind_it_is_known_by_the_record_before_it(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        """The event is in the outbox still, to the byte."""
        append(database, "a")
        bus.append(OUT.name, 0, b"k", b"a")
        bus.append(OUT.name, 0, b"", b"mark:a")
        look(opened(), bus)

    def test_a_watermark_names_what_another_relay_published_meanwhile(
        self, bus: MemoryBus, database: Database
    ) -> None:
        first, second = relay(database, bus, is_timed=True), relay(database, bus)
        append(database, "a")
        second.drain()
        append(database, "b")
        second.drain()
        first.drain()
        assert bus.logs[TopicPartition(OUT.name, 0)][-1].value == b"mark:b"

    def test_a_partition_that_was_silent_for_three_days_is_known(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        for each in ("a", "b"):
            append(database, each)
            relay(database, bus).drain()
            pass_days(database, 3)
        append(database, "c", number=1)
        relay(database, bus).drain()
        with database.transaction() as tx:
            published.prune(tx, [TopicPartition(OUT.name, 0), TopicPartition(OUT.name, 1)])
            rows = fetch(tx, "SELECT partition, ids FROM published_events ORDER BY partition")
        assert [(row.partition, row.ids) for row in rows] == [(0, ["b"]), (1, ["c"])]
        look(opened(), bus)

    def test_a_late_copy_of_an_older_event_is_known_after_days_of_silence(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        """An earlier try of the producer may write it behind what was published after it."""
        for each in ("a", "b"):
            append(database, each)
            relay(database, bus).drain()
        bus.append(OUT.name, 0, b"k", b"a")
        pass_days(database, 3)
        with database.transaction() as tx:
            published.prune(tx, [TopicPartition(OUT.name, 0)])
        look(opened(), bus)

    def test_a_log_whose_retention_removed_everything_is_known(
        self, bus: MemoryBus, opened: Callable[[], Database]
    ) -> None:
        offset = bus.append(OUT.name, 0, b"k", b"long ago")
        bus.remove(TopicPartition(OUT.name, 0), [offset])
        look(opened(), bus)

    def test_a_log_that_this_database_wrote_and_retention_emptied_is_known(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, "a")
        relay(database, bus).drain()
        bus.remove(TopicPartition(OUT.name, 0), [0])
        look(opened(), bus)

    def test_the_first_event_of_a_log_published_between_the_two_looks_is_no_new_log(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        questions: list[int] = []

        class Meanwhile(MemoryBus):
            """Tells that the logs are empty; behind the second answer others publish an event."""

            def bounds(
                self, partitions: Collection[TopicPartition]
            ) -> dict[TopicPartition, LogBounds]:
                found = super().bounds(partitions)
                questions.append(found[TopicPartition(OUT.name, 0)].end)
                if len(questions) == 2:
                    append(database, "a")
                    relay(database, self).drain()
                return found

        meanwhile = Meanwhile(bus.logs, bus.ends, bus.topic_ids)
        look(opened(), meanwhile)
        assert questions == [0, 0, 1]

    def test_records_of_others_are_passed_over_however_many(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, "a")
        relay(database, bus).drain()
        for value in (b"foreign", b"garbage", None) * 200:
            bus.append(OUT.name, 0, b"k", value)
        look(opened(), bus)
        (last,) = last_events(bus, OUTPUT)
        assert last.head.event_id == "a"

    def test_what_is_published_between_the_two_looks_is_behind_the_end(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        """A worker of the same database that is thought dead publishes and removes meanwhile."""
        append(database, "a")
        relay(database, bus).drain()

        class Meanwhile:
            """Reads the ends; then others publish."""

            def bounds(
                self, partitions: Sequence[TopicPartition]
            ) -> dict[TopicPartition, LogBounds]:
                return bus.bounds(partitions)

            def read(
                self, spans: dict[TopicPartition, LogBounds]
            ) -> dict[TopicPartition, list[Record]]:
                found = bus.read(spans)
                append(database, "b")
                relay(database, bus).drain()
                return found

            def close(self) -> None:
                """Nothing to close."""

        other = opened()
        other.vet(OutputLook(other, OUTPUT, Meanwhile))  # type: ignore[arg-type]
        with other.transaction():
            pass


class TestUnknownEnds:
    """A database that is older than what it has published serves nothing."""

    @pytest.mark.parametrize("value", [b"lost", b"mark:lost"])
    def test_an_event_that_nobody_here_published_stops_every_use(
        self, bus: MemoryBus, opened: Callable[[], Database], value: bytes
    ) -> None:
        bus.append(OUT.name, 1, b"k", value)
        subject = opened()
        for _ in range(2):
            with pytest.raises(DatabaseIsOlder, match=r"out\.v1/1"):
                look(subject, bus)
        assert is_older(subject)

    def test_a_topic_made_anew_where_this_database_has_published_stops_every_use(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        """What the lost life of the database published cannot be seen there any more."""
        append(database, "a")
        relay(database, bus).drain()
        bus.create(*OUT)
        with pytest.raises(DatabaseIsOlder, match=r"out\.v1/0"):
            look(opened(), bus)

    @pytest.mark.parametrize("is_marked", [False, True], ids=["the event", "a watermark behind it"])
    def test_an_event_accepted_anew_under_the_same_id_does_not_make_the_old_one_known(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database], *, is_marked: bool
    ) -> None:
        """Ids follow from source events; what is in the outbox must be the record to the byte."""
        bus.append(OUT.name, 0, b"k", b'{"id":"e1","life":"lost"}')
        if is_marked:
            bus.append(OUT.name, 0, b"", b"mark:e1")
        append(database, '{"id":"e1","life":"new"}')
        subject = opened()
        subject.vet(OutputLook(subject, LIVES, lambda: bus))
        with pytest.raises(DatabaseIsOlder), subject.transaction():
            pass

    def test_a_watermark_whose_event_was_not_read_is_not_known_by_the_outbox(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        append(database, "a")
        bus.append(OUT.name, 0, b"", b"mark:a")
        with pytest.raises(DatabaseIsOlder):
            look(opened(), bus)

    def test_each_new_connection_is_looked_at(
        self, bus: MemoryBus, database: Database, opened: Callable[[], Database]
    ) -> None:
        """A restore breaks connections; what the pool opens then may be another database."""
        subject = opened()
        look(subject, bus)
        bus.append(OUT.name, 0, b"k", b"lost")
        with subject.transaction():
            pass
        subject.engine.dispose()
        with pytest.raises(DatabaseIsOlder), subject.transaction():
            pass

    def test_while_the_bus_is_away_a_new_connection_waits(
        self, bus: MemoryBus, opened: Callable[[], Database]
    ) -> None:
        bus.down = True
        subject = opened()
        with pytest.raises(TryLater):
            look(subject, bus)
        bus.down = False
        look(subject, bus)

    def test_a_look_that_finds_nothing_takes_the_alarm_back(
        self, bus: MemoryBus, opened: Callable[[], Database]
    ) -> None:
        offset = bus.append(OUT.name, 0, b"k", b"lost")
        subject = opened()
        with pytest.raises(DatabaseIsOlder):
            look(subject, bus)
        check = incarnation.age_check(opened())
        assert check() == "the database is older than what it has published"
        bus.remove(TopicPartition(OUT.name, 0), [offset])
        look(subject, bus)
        assert check() is None
