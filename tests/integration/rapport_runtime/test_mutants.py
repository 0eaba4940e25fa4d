"""Protections of the runtime, each taken out once: the same scenario then goes wrong.

`mutant` True takes the protection out, and the test passes only if that does harm. More of them
stand beside what they protect (test_loop, test_rollback, test_relay);
`tools.proof.claims.protections` lists all.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.db_errors import DatabaseError
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.stream import outbox, positions, relay
from rapport_runtime.stream.dead_letters import table as dead_letters
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.positions import OffsetAdvance, Position
from rapport_runtime.stream.relay import Relay
from tests.support.servers.buses import eventually
from tests.support.worlds.toy_ledger import (
    GROUP,
    NEVER,
    TOPIC,
    Crash,
    Ledger,
    Topic,
    at,
    bad_words,
    crash,
    eager_loop_of,
    loop_of,
    output,
    partition,
    put,
    words,
    worker_database,
)

pytestmark = pytest.mark.integration
HOLD = "SELECT 1 FROM consumer_position WHERE partition = 0 FOR UPDATE"


def relay_of(database: Database, producer: object) -> Relay:
    return Relay(
        database,
        producer,  # type: ignore[arg-type]  # some of these producers are broken on purpose
        output(Topic(TOPIC, 2)),
    )


def published(bus: MemoryBus) -> list[str]:
    return [(record.value or b"").decode() for record in bus.logs[partition(0)]]


def append(database: Database, *values: str) -> None:
    with database.transaction() as tx:
        outbox.append(tx, [Outgoing(TOPIC, 0, b"k", value.encode()) for value in values])


@pytest.mark.parametrize("mutant", [False, True])
def test_effects_and_position_move_together(
    bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """A crash before the commit loses nothing. Mutant: the position moves on its own."""
    claim = positions.claim

    def apart(
        _tx: sa.Connection, group: str, moves: Sequence[OffsetAdvance]
    ) -> dict[TopicPartition, Position]:
        with ledger.database.transaction() as own:
            return claim(own, group, moves)

    if mutant:
        monkeypatch.setattr(positions, "claim", apart)
    put(bus, 0, *words("a", 5))
    for moment in ("before_db_commit", "nowhere"):
        consumer = bus.consumer(GROUP, [TOPIC])
        subject = loop_of(consumer, ledger)
        with at(moment, crash), suppress(Crash):
            for _ in range(3):
                subject.turn(NEVER)
        bus.evict(GROUP, consumer)
    survives = ledger.entries() == words("a", 5)
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_row_is_removed_only_after_its_acknowledgement(
    bus: MemoryBus, database: Database, *, mutant: bool
) -> None:
    """R22, R4: an unanswered publish leaves the rows. Mutant: they are removed all the same."""

    class Deaf(MemoryBus):
        def publish(self, records: Sequence[Outgoing]) -> None:
            raise TryLater(f"none of {len(records)} acknowledged")

    class Careless(Deaf):
        def publish(self, records: Sequence[Outgoing]) -> None:
            with suppress(TryLater):
                super().publish(records)

    append(database, "a", "b")
    with suppress(TryLater):
        relay_of(database, Careless() if mutant else Deaf()).drain()
    relay_of(database, bus).drain()
    survives = published(bus) == ["a", "b"]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_one_relay_at_a_time_drains_a_partition(
    bus: MemoryBus, database: Database, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: no partition's lock is taken, and a later row is published before an earlier one."""
    if mutant:
        monkeypatch.setattr(
            relay,
            "_LOCK",
            "SELECT unnest(%(partitions)s::int[]) AS partition",
        )
    append(database, "a")

    def meanwhile() -> None:
        append(database, "b")
        relay_of(database, bus).drain()

    with at("outbox_claimed", meanwhile), suppress(*DatabaseError):
        relay_of(database, bus).drain()
    relay_of(database, bus).drain()
    survives = published(bus) == ["a", "b"]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_past_the_limit_nothing_more_is_put_aside(
    bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R10: 50 bad ones in a row halt the loop. Mutant: everything becomes a dead letter."""
    if mutant:
        monkeypatch.setattr(DeadLetterLimit, "check", lambda _self, _batch: None)
    put(bus, 0, *bad_words(80))
    subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger, DeadLetterLimit(), max_records=10)
    with suppress(LoopHalted):
        for _ in range(12):
            subject.turn(NEVER)
    (row,) = ledger.rows("SELECT count(*) AS letters FROM dead_letter")
    survives = row.letters < 50
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_letter_is_replayed_once(
    bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R12: its mark commits with its effect. Mutant: the mark is forgotten."""
    if mutant:
        monkeypatch.setattr(dead_letters, "mark_replayed", lambda _tx, _records: None)
    put(bus, 0, "bad")
    subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
    for _ in range(2):
        subject.turn(NEVER)
    ledger.heal.add("bad")
    ledger.run("UPDATE dead_letter SET state = 'queued'")
    for _ in range(3):
        subject.turn(NEVER)
    survives = ledger.entries() == ["bad"]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_partition_whose_row_is_held_does_not_hold_up_the_others(
    bus: MemoryBus,
    ledger: Ledger,
    runtime_database: ServiceDatabase,
    monkeypatch: pytest.MonkeyPatch,
    *,
    mutant: bool,
) -> None:
    """A frozen predecessor has a position's row. Mutant: the claim waits for it."""
    if mutant:
        waiting = positions._CLAIM.replace("SKIP LOCKED", "")
        assert waiting != positions._CLAIM
        monkeypatch.setattr(positions, "_CLAIM", waiting)
    hurried = worker_database(runtime_database, lock_ms=300)
    subject = loop_of(bus.consumer(GROUP, [TOPIC]), Ledger(hurried))
    subject.turn(NEVER)
    put(bus, 0, "a")
    put(bus, 1, "b")
    with ledger.database.transaction() as frozen:
        fetch(frozen, HOLD)
        for _ in range(2):
            subject.turn(NEVER)
        survives = ledger.entries() == ["b"]
    hurried.close()
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_worker_frozen_in_its_transaction_lets_go(
    bus: MemoryBus, ledger: Ledger, runtime_database: ServiceDatabase, *, mutant: bool
) -> None:
    """Its successor takes over while it is still frozen. Mutant: no timeout for idle ones."""
    put(bus, 0, "a")
    with _frozen(bus, runtime_database, idle_in_transaction_ms=0 if mutant else 500):
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)

        def taken_over() -> bool:
            subject.turn(NEVER)
            return ledger.entries() == ["a"]

        survives = eventually(taken_over, 2 if mutant else 20)
    assert survives is not mutant
    assert ledger.entries() == ["a"]


@contextmanager
def _frozen(
    bus: MemoryBus, urls: ServiceDatabase, *, idle_in_transaction_ms: int
) -> Iterator[None]:
    """A worker that stops inside its batch's transaction, and wakes up at the end."""
    opened = worker_database(urls, idle_in_transaction_ms=idle_in_transaction_ms)
    awake, asleep = threading.Event(), threading.Event()
    consumer = bus.consumer(GROUP, [TOPIC])
    subject = loop_of(consumer, Ledger(opened))
    subject.turn(NEVER)

    def fall_asleep() -> None:
        asleep.set()
        awake.wait(60)

    with at("in_tx", fall_asleep):
        thread = threading.Thread(target=subject.turn, args=(NEVER,))
        thread.start()
        assert asleep.wait(30)
        bus.evict(GROUP, consumer)
        try:
            yield
        finally:
            awake.set()
            thread.join()
            opened.close()
