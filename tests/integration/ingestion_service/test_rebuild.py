"""Clients are rebuilt on Postgres, while the command is killed and live events come (ADR 48)."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection

from ingestion_service import rebuilding as rebuilding_module
from ingestion_service.bootstrap import COMMANDS, build_relay, build_stores
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.ports import Scope
from ingestion_service.rebuilding import Rebuild, rebuild_command
from ingestion_service.store import rebuilds
from rapport_contracts.canonical import ActivityRecorded, GenerationOpened
from rapport_contracts.codec import decode
from rapport_contracts.generations import Client, fold, new_client
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, fetch
from tests.support.doubles.known_secrets import RECORD_KEYS, KnownSecrets
from tests.support.memory.ingestion_world import fact
from tests.support.worlds.toy_ledger import Crash, at

pytestmark = pytest.mark.integration
Said = GenerationOpened | ActivityRecorded
Sequences = Counter[int]
CLIENTS = 5


class Rebuilding:
    """Ingestion of five clients of two practices, and what it publishes."""

    def __init__(self, database: Database, bus: MemoryBus) -> None:
        self.database = database
        self.bus = bus
        self.stores = build_stores(database, RECORD_KEYS, is_simulated=False)
        self._relay = build_relay(database, bus)

    def visit(self, number: int) -> None:
        """Everybody comes once more."""
        with self.database.transaction() as tx:
            accept([_visit(client, number) for client in range(CLIENTS)], self.stores.within(tx))

    def said(self) -> dict[str, list[Said]]:
        """What has been published of each client, in its order."""
        self._relay.drain()
        found: dict[str, list[Said]] = {}
        for place, log in sorted(self.bus.logs.items()):
            if place.topic == CLIENT_ACTIVITY.name:
                for record in log:
                    event = decode(place.topic, record.key, record.value)
                    if isinstance(event, GenerationOpened | ActivityRecorded):
                        found.setdefault(event.data.client_id, []).append(event)
        return found

    def readers(self) -> dict[str, Client[Sequences]]:
        """What readers have of each client, by the rule of the contracts."""
        clients = {}
        for client_id, said in self.said().items():
            clients[client_id] = new_client(Counter[int]())
            for event in said:
                clients[client_id] = fold(clients[client_id], event, _add, Counter())
        return clients


def _add(sums: Sequences, event: ActivityRecorded) -> Sequences:
    return sums + Counter([event.data.sequence])


def _visit(client: int, number: int) -> SourceFact:
    practice, currency = ("lakeside", "CNY") if client % 2 else ("harbour", "GBP")
    about: dict[str, Any] = {"practice_id": practice, "external_id": f"c{client}"}
    payment = f"p{client}/{number}"
    return fact("settled", payment, external_object_id=payment, currency=currency, **about)


@pytest.fixture
def rebuilding(database: Database, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> Rebuilding:
    monkeypatch.setattr(rebuilding_module, "stop_on_signals", threading.Event)
    made = Rebuilding(database, bus)
    made.visit(1)
    made.visit(2)
    return made


@contextmanager
def killed_at(place: int) -> Iterator[None]:
    """The command is killed at so many clients, before it has committed the last of them."""
    reached = 0

    def count() -> None:
        nonlocal reached
        reached += 1
        if reached == place:
            raise Crash

    with at("rebuilding", count, times=place), suppress(Crash):
        yield
    assert reached == place


def act(rebuilding: Rebuilding, *words: str) -> list[str]:
    command = rebuild_command(lambda *_: rebuilding.stores)
    options = command.parser.parse_args([*words, "--why", "ticket 4711", "--by", "ann"])
    return command.act(rebuilding.database, KnownSecrets(), options)


def test_readers_have_each_fact_once_whatever_is_killed(rebuilding: Rebuilding) -> None:
    """The command is killed at each client, and live events come in between."""
    whole = Counter([1, 2])
    for place in range(1, CLIENTS + 1):
        with killed_at(place):
            act(rebuilding, "--all")
        rebuilding.visit(place + 2)
        whole[place + 2] = 1
        assert act(rebuilding, "--all")[-1].startswith(f"rebuilt: {CLIENTS + 1 - place} clients")
    readers = rebuilding.readers()
    assert len(readers) == CLIENTS
    for each in readers.values():
        assert (each.beside, each.current.sums) == (None, whole)
        assert each.current.number > 1
    with rebuilding.database.transaction() as tx:
        assert fetch(tx, "SELECT FROM rebuild") == []


def test_a_killed_command_goes_on_behind_the_last_client_that_is_whole(
    rebuilding: Rebuilding,
) -> None:
    with killed_at(3):
        act(rebuilding, "--all")
    assert act(rebuilding, "--all") == ["done before: 2 clients", "rebuilt: 3 clients, 6 facts"]
    openings = Counter(
        event.data.client_id
        for said in rebuilding.said().values()
        for event in said
        if isinstance(event, GenerationOpened)
    )
    assert set(openings.values()) == {1}
    assert len(openings) == CLIENTS


def test_a_long_history_is_read_and_written_page_by_page(
    rebuilding: Rebuilding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the other side longer than ten seconds is thrown out by the database."""
    for number in range(3, 8):
        rebuilding.visit(number)
    written: list[int] = []

    def append(tx: Connection, rows: Sequence[Outgoing]) -> None:
        written.append(len(rows))
        outbox_append(tx, rows)

    outbox_append = rebuilds.outbox.append
    monkeypatch.setattr(rebuilds, "PAGE", 3)
    monkeypatch.setattr(rebuilds.outbox, "append", append)
    act(rebuilding, "--practice", "harbour")
    assert written == [3, 3, 2] * 3
    monkeypatch.undo()
    whole = Counter(range(1, 8))
    assert {str(each.current.sums) for each in rebuilding.readers().values()} == {str(whole)}


def test_whose_and_why_is_in_the_audit(rebuilding: Rebuilding) -> None:
    act(rebuilding, "--practice", "lakeside")
    with rebuilding.database.transaction() as tx:
        rows = fetch(tx, "SELECT who, action, kind, subject, why FROM audit")
    assert [tuple(row) for row in rows] == [
        ("ann", "replay", "clients", "practice lakeside", "ticket 4711")
    ]
    assert "rebuild" in COMMANDS


def test_an_opening_and_its_facts_stand_together_before_what_is_live(
    rebuilding: Rebuilding,
) -> None:
    act(rebuilding, "--practice", "harbour")
    rebuilding.visit(3)
    for said in rebuilding.said().values():
        if any(isinstance(event, GenerationOpened) for event in said):
            kinds = [type(event).__name__ for event in said]
            activity = "ActivityRecorded"
            assert kinds == [activity, activity, "GenerationOpened", activity, activity, activity]
            opened = said[2]
            assert isinstance(opened, GenerationOpened)
            numbers = [event.data.sequence for event in said[3:] if hasattr(event.data, "sequence")]
            assert (opened.data.facts, numbers) == (2, [1, 2, 3])
            assert {event.data.generation for event in said[2:]} == {opened.data.generation}


@pytest.mark.parametrize("mutant", [False, True])
def test_a_client_and_how_far_the_rebuild_has_come_are_one_transaction(
    rebuilding: Rebuilding, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """The mutant notes the client before its facts are said."""
    step = Rebuild.step

    def note_first(self: Rebuild) -> object:
        with rebuilding.stores.transaction() as tx:
            rebuilds = rebuilding.stores.within(tx).rebuilds
            progress = rebuilds.lock(Scope())
            for key in rebuilds.next_clients(Scope(), progress and progress.done, 1):
                rebuilds.move(Scope(), key)
        return step(self)

    with monkeypatch.context() as patch:
        if mutant:
            patch.setattr(Rebuild, "step", note_first)
        with killed_at(1):
            act(rebuilding, "--all")
    act(rebuilding, "--all")
    survives = {each.current.number > 1 for each in rebuilding.readers().values()} == {True}
    assert survives is not mutant
