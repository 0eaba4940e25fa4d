"""The command `restored`: what it lists, and what goes on after its `--confirm` (ADR 28)."""

import json
import threading
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy import Connection

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import LogBounds, Outgoing, Record, TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import LoopHalted
from rapport_runtime.ops import audit, incarnation
from rapport_runtime.ops.operators import Refused
from rapport_runtime.stream import outbox, positions
from rapport_runtime.stream.batch import Batch, BatchHandler
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.look import OutputLook
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.positions import OffsetAdvance, Position
from rapport_runtime.stream.relay import Relay
from rapport_runtime.stream.restored import AfterRestore, LostRecord, Restoration
from rapport_runtime.stream.strays import Input
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.worlds.toy_ledger import MIDNIGHT, SOURCE, Head, Topic, partition

pytestmark = pytest.mark.integration


def event_id(value: bytes) -> str:
    """An event is JSON with its id."""
    return str(json.loads(value)["id"])


def event(name: str, incarnation: str) -> bytes:
    return f'{{"id":"{name}","incarnation":"{incarnation}"}}'.encode()


PLACE = partition(0)
OUTPUT = Output(
    source=SOURCE,
    topics=[Topic(PLACE.topic, 2)],
    event_id=event_id,
    head=lambda value: Head(SOURCE, event_id(value), is_watermark=False, time=MIDNIGHT),
)


def report(_tx: Connection, records: Sequence[LostRecord]) -> list[str]:
    return [f"lost {event_id(record.value)}" for record in records]


SOURCES = "source.v1"
GROUP = "toy"


def restoration(database: Database, bus: MemoryBus, **options: int) -> Restoration:
    after = AfterRestore(reads=Input(GROUP, [SOURCES]), again="send it again", report=report)
    return Restoration(database, OUTPUT, lambda: bus, after, is_simulated=False, **options)


def append(database: Database, *names: str) -> None:
    """Put events into the outbox, with the incarnation of now."""
    with database.transaction() as tx:
        digits = incarnation.current(tx)
        rows = [Outgoing(*PLACE, b"k", event(name, digits)) for name in names]
        outbox.append(tx, rows)


def publish(database: Database, bus: MemoryBus, *names: str) -> None:
    append(database, *names)
    Relay(database, bus, OUTPUT).drain()


def lose(bus: MemoryBus, *names: str) -> None:
    """Events that the lost life of the database published."""
    for name in names:
        bus.append(*PLACE, b"k", event(name, "01dlife0"))


def incarnations(database: Database) -> dict[str, str]:
    """Those of the events in the outbox."""
    with database.transaction() as tx:
        rows = fetch(tx, "SELECT value FROM outbox ORDER BY id")
    events = [json.loads(row.value) for row in rows]
    return {each["id"]: each["incarnation"] for each in events}


def current(database: Database) -> str:
    with database.transaction() as tx:
        return incarnation.current(tx)


def test_events_behind_the_last_known_one_are_listed_in_their_order(
    bus: MemoryBus, worker: Database
) -> None:
    publish(worker, bus, "a", "b")
    lose(bus, "c", "d")
    lines = restoration(worker, bus).dry_run()
    assert lines[1:4] == ["send it again", "lost c", "lost d"]
    assert lines[0].startswith("2 events on 1 partitions are not known to this database.")
    assert "nothing was changed" in lines[-1]


def test_the_newest_of_many_lost_events_are_listed_and_the_list_says_so(
    bus: MemoryBus, worker: Database
) -> None:
    publish(worker, bus, "a")
    lose(bus, *(f"lost{number}" for number in range(5_000)))
    lines = restoration(worker, bus, most_listed=3).dry_run()
    assert lines[2].startswith(f"{PLACE.topic}/0 has more than the newest 3 of them")
    assert lines[3:6] == ["lost lost4997", "lost lost4998", "lost lost4999"]


def test_no_transaction_is_open_while_the_bus_is_read(bus: MemoryBus, worker: Database) -> None:
    publish(worker, bus, "a")
    lose(bus, "b")
    open_ones: list[int] = []

    class Watching(MemoryBus):
        """Notes how many connections are in use while it answers."""

        def read(
            self, spans: Mapping[TopicPartition, LogBounds]
        ) -> dict[TopicPartition, list[Record]]:
            open_ones.append(worker.engine.pool.checkedout())  # type: ignore[attr-defined]
            return super().read(spans)

    watching = Watching(bus.logs, bus.ends, bus.topic_ids)
    restoration(worker, watching).confirm("ann", "a drill")
    assert set(open_ones) == {0}


def test_what_was_accepted_since_the_restore_bears_the_new_incarnation_after_confirm(
    bus: MemoryBus, worker: Database
) -> None:
    """Its numbers may repeat what readers have from the lost life."""
    publish(worker, bus, "a")
    lose(bus, "b")
    append(worker, "c")
    before = current(worker)
    restoration(worker, bus).confirm("ann", "a drill")
    assert current(worker) != before
    assert incarnations(worker) == {"c": current(worker)}


@pytest.mark.parametrize("lost", [["c"], []], ids=["lost events behind it", "it is the end"])
def test_a_waiting_event_that_the_topic_holds_already_stays_as_it_is(
    bus: MemoryBus, worker: Database, lost: list[str]
) -> None:
    """It was in the outbox when the backup was made; readers have it, and it comes once more."""
    publish(worker, bus, "a")
    before = current(worker)
    append(worker, "b")
    bus.append(*PLACE, b"k", event("b", before))
    lose(bus, *lost)
    append(worker, "d")
    lines = restoration(worker, bus).confirm("ann", "a drill")
    assert [line for line in lines if line.startswith("lost")] == [f"lost {each}" for each in lost]
    assert incarnations(worker) == {"b": before, "d": current(worker)}


def test_after_confirm_a_topic_made_anew_is_known(bus: MemoryBus, worker: Database) -> None:
    publish(worker, bus, "a")
    bus.create(PLACE.topic, 2)
    assert restoration(worker, bus).dry_run()[0] == (
        f"{PLACE.topic}/0 was made anew: what it held cannot be listed"
    )
    restoration(worker, bus).confirm("ann", "a drill")
    worker.engine.dispose()
    worker.vet(OutputLook(worker, OUTPUT, lambda: bus))
    with worker.transaction():
        pass


class Reading(BatchHandler):
    """Keeps the values that it is given."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> bytes | None:
        del topic, key
        return value

    def handle(self, tx: Connection, batch: Batch) -> None:
        del tx
        self.values += [event for part in batch.partitions for event in part.events]

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None: ...


class TestInput:
    """Logs in which a position lies no more: a worker halts there until an operator confirms."""

    @pytest.fixture(autouse=True)
    def source(self, bus: MemoryBus, worker: Database) -> None:
        """A topic of two partitions, of which the service has read three records."""
        bus.create(SOURCES, 2)
        put(bus, "a", "b", "c")
        assert read(worker, bus) == [b"a", b"b", b"c"]

    def test_a_topic_made_anew_is_read_from_its_beginning(
        self, bus: MemoryBus, worker: Database
    ) -> None:
        bus.create(SOURCES, 2)
        put(bus, "d", "e", "f", "g")
        with pytest.raises(LoopHalted, match="restored"):
            read(worker, bus)
        told = (
            f"{SOURCES} was made anew: with --confirm 2 partitions of it are read from their"
            " beginning; what this service had not read of it before is gone"
        )
        assert told in restoration(worker, bus).dry_run()
        with pytest.raises(LoopHalted):
            read(worker, bus)  # a look changes nothing
        lines = restoration(worker, bus).confirm("ann", "a drill")
        assert f"{SOURCES} will be read from its beginning" in lines
        assert read(worker, bus) == [b"d", b"e", b"f", b"g"]
        assert all("made anew" not in line for line in restoration(worker, bus).dry_run())

    def test_it_is_in_the_audit_beside_the_incarnation(
        self, bus: MemoryBus, worker: Database
    ) -> None:
        bus.create(SOURCES, 2)
        restoration(worker, bus).confirm("ann", "a drill")
        with worker.transaction() as tx:
            rows = audit.page(tx, after=0, limit=10)
        assert [(row.actor, row.action, row.kind, row.subject, row.reason) for row in rows] == [
            ("ann", "restored", "topic", SOURCES, "a drill"),
            ("ann", "restored", "database", current(worker), "a drill"),
        ]

    def test_business_time_stays_where_it_was(self, bus: MemoryBus, worker: Database) -> None:
        place = TopicPartition(SOURCES, 0)
        with worker.transaction() as tx:
            positions.claim(tx, GROUP, [OffsetAdvance(place, 3, 3, MIDNIGHT)])
        bus.create(SOURCES, 2)
        restoration(worker, bus).confirm("ann", "a drill")
        with worker.transaction() as tx:
            moved = positions.load(tx, GROUP, [place])[place]
        assert moved == Position(0, bus.topic_id(SOURCES), MIDNIGHT)

    @pytest.mark.parametrize(
        ("gone", "why", "left"),
        [
            pytest.param(range(5), "no longer holds what was not read yet", [b"f"], id="retention"),
            pytest.param(None, "ends before what was read already", [b"z"], id="an older copy"),
        ],
    )
    def test_a_log_that_lost_records_is_read_from_what_it_has(
        self,
        bus: MemoryBus,
        worker: Database,
        gone: range | None,
        why: str,
        left: list[bytes],
    ) -> None:
        put(bus, "d", "e", "f")
        if gone is None:
            known = bus.topic_ids[SOURCES]
            bus.create(SOURCES, 2)
            bus.topic_ids[SOURCES] = known
            put(bus, "z")
        else:
            bus.remove(TopicPartition(SOURCES, 0), gone)
        with pytest.raises(LoopHalted):
            read(worker, bus)
        lines = restoration(worker, bus).confirm("ann", "a drill")
        assert any(line.startswith(f"{SOURCES} {why}: with --confirm 1") for line in lines)
        assert read(worker, bus) == left

    def test_a_position_in_its_log_stays(self, bus: MemoryBus, worker: Database) -> None:
        put(bus, "d")
        lines = restoration(worker, bus).confirm("ann", "a drill")
        assert all(SOURCES not in line for line in lines)
        assert read(worker, bus) == [b"d"]

    def test_where_a_worker_moves_a_position_meanwhile_nothing_is_changed(
        self, bus: MemoryBus, worker: Database
    ) -> None:
        before = current(worker)
        bus.create(SOURCES, 2)

        class Meanwhile(MemoryBus):
            """A worker of the old topic commits once more while the bus is looked at."""

            def topic_id(self, topic: str) -> str:
                with worker.transaction() as tx:
                    move = OffsetAdvance(TopicPartition(SOURCES, 0), 3, 4, None)
                    assert positions.claim(tx, GROUP, [move])
                return super().topic_id(topic)

        moving = Meanwhile(bus.logs, bus.ends, bus.topic_ids)
        with pytest.raises(Refused, match="stop all workers"):
            restoration(worker, moving).confirm("ann", "a drill")
        assert current(worker) == before
        with worker.transaction() as tx:
            assert audit.page(tx, after=0, limit=1) == []


def put(bus: MemoryBus, *values: str) -> None:
    """Write values to the first partition of the source topic."""
    for value in values:
        bus.append(SOURCES, 0, b"k", value.encode())


def read(database: Database, bus: MemoryBus) -> list[bytes]:
    """What a new worker reads of the source topic until it finds no more."""
    handler, consumer = Reading(), bus.consumer(GROUP, [SOURCES])
    options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0.01)
    loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())
    try:
        for _ in range(3):
            loop.turn(threading.Event())
    finally:
        consumer.close()
    return handler.values
