"""The command `restored`: what it lists, and what goes on after its `--confirm` (ADR 28)."""

import json
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy import Connection

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import LogBounds, Outgoing, Record, TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import outbox
from rapport_runtime.stream.look import OutputLook
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.relay import Relay
from rapport_runtime.stream.restored import AfterRestore, LostRecord, Restoration
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


def restoration(database: Database, bus: MemoryBus, **options: int) -> Restoration:
    after = AfterRestore(again="send it again", report=report)
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
