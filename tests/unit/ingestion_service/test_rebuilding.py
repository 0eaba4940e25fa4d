"""The command `rebuild` on stores in memory: client by client, paced, and whole after a kill."""

import argparse
import threading
from collections import Counter
from typing import Any

import psycopg
import pytest

from ingestion_service import handlers, rebuilding
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import ClientId, PracticeId
from ingestion_service.handlers import accept, register_practice
from ingestion_service.ports import ClientKey, Opening, Scope, Store
from ingestion_service.rebuilding import MOST_WAITING, Rebuild, Rebuilt, told
from rapport_runtime import failpoints
from rapport_runtime.ops.audit import AuditEntry
from rapport_runtime.ops.operators import Refused
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, fact

ALL = Scope()


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def stores() -> MemoryStores:
    """Three clients of two practices, of two facts each."""
    stores = MemoryStores()
    with stores.open_for_operator() as store:
        register_practice(LAKESIDE, store)
        register_practice(HARBOUR, store)
        for number, practice in enumerate((HARBOUR, LAKESIDE, LAKESIDE)):
            about = {"practice_id": practice.practice_id, "external_id": f"c{number}"}
            accept(
                [
                    fact("completed", f"{number}/1", external_object_id=f"b{number}", **about),
                    fact("created", f"{number}/2", external_object_id=f"n{number}", **about),
                ],
                store,
            )
    return stores


class Run:
    """A rebuild, and what it notes."""

    def __init__(
        self, stores: MemoryStores, scope: Scope = ALL, stop: threading.Event | None = None
    ) -> None:
        self.noted: list[AuditEntry] = []
        stop = stop or threading.Event()
        self.rebuild = Rebuild(stores, scope, stop, lambda _tx, entry: self.noted.append(entry))

    def begin(self) -> int:
        return self.rebuild.begin("ann", "ticket 4711")

    def whole(self) -> list[Rebuilt]:
        self.begin()
        return list(iter(self.rebuild.step, None))


def opened(stores: MemoryStores) -> Counter[str]:
    """How often each client's generation was opened."""
    said = stores.tables.said
    return Counter(each.owner.client_id for each in said if isinstance(each, Opening))


@pytest.mark.parametrize(
    ("scope", "clients"),
    [
        pytest.param(ALL, {"client-1": 1, "client-2": 1, "client-3": 1}, id="all"),
        pytest.param(Scope(LAKESIDE.practice_id), {"client-2": 1, "client-3": 1}, id="a practice"),
        pytest.param(
            Scope(LAKESIDE.practice_id, ClientId("client-3")), {"client-3": 1}, id="a client"
        ),
    ],
)
def test_each_client_of_the_scope_is_rebuilt_once(
    stores: MemoryStores, scope: Scope, clients: dict[str, int]
) -> None:
    run = Run(stores, scope)
    assert run.whole() == [Rebuilt(each, 2) for each in clients]
    assert opened(stores) == clients
    assert stores.tables.rebuilds == {}
    assert run.noted == [AuditEntry("ann", "replay", "clients", told(scope), "ticket 4711", 0)]
    assert len(Run(stores, scope).whole()) == len(clients)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (Scope(PracticeId("quay")), "practice quay is not registered"),
        (
            Scope(LAKESIDE.practice_id, ClientId("client-1")),
            "practice lakeside has no client client-1",
        ),
    ],
)
def test_whom_there_is_not_is_refused(stores: MemoryStores, scope: Scope, reason: str) -> None:
    run = Run(stores, scope)
    with pytest.raises(Refused, match=reason):
        run.begin()
    assert (run.noted, stores.tables.rebuilds) == ([], {})


@pytest.mark.parametrize("after", [0, 1, 2])
def test_killed_it_goes_on_where_it_was(
    stores: MemoryStores, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """A step that is killed before its end leaves nothing."""
    run = Run(stores)
    run.begin()
    for _ in range(after):
        run.rebuild.step()

    def kill(_name: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", kill)
        with pytest.raises(Killed):
            run.rebuild.step()
    again = Run(stores)
    assert again.begin() == after
    assert len(list(iter(again.rebuild.step, None))) == 3 - after
    assert set(opened(stores).values()) == {1}


def test_of_two_commands_at_once_each_does_other_clients(stores: MemoryStores) -> None:
    one, other = Run(stores), Run(stores)
    one.begin()
    other.begin()
    while any([one.rebuild.step(), other.rebuild.step()]):
        pass
    assert set(opened(stores).values()) == {1}
    assert len(opened(stores)) == 3


class Drained(threading.Event):
    """While the command waits, the outbox is published; `ends`: or the command is to stop."""

    def __init__(self, stores: MemoryStores, *, ends: bool = False) -> None:
        super().__init__()
        self._stores = stores
        self._ends = ends
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == rebuilding.PAUSE_SECONDS
        self.waits += 1
        self._stores.tables.waiting -= 300
        if self._ends:
            self.set()
        return self._ends


def test_it_waits_while_the_outbox_is_long(stores: MemoryStores) -> None:
    stores.tables.waiting = MOST_WAITING + 500
    stop = Drained(stores)
    assert len(Run(stores, ALL, stop).whole()) == 3
    assert stop.waits == 2


def test_it_stops_where_it_waits(stores: MemoryStores) -> None:
    stores.tables.waiting = MOST_WAITING
    stop = Drained(stores, ends=True)
    assert Run(stores, ALL, stop).whole() == []
    assert stores.tables.rebuilds.keys() == {ALL}


def test_one_whose_ledger_does_not_tell_all_keeps_nobody_from_being_rebuilt(
    stores: MemoryStores,
) -> None:
    key = (LAKESIDE.practice_id, ClientId("client-2"))
    stores.tables.clients[key] = stores.tables.clients[key]._replace(last_sequence=9)
    found = Run(stores).whole()
    fault = "the ledger tells 2 facts where 9 were published"
    assert found == [Rebuilt("client-1", 2), Rebuilt("client-2", 0, fault), Rebuilt("client-3", 2)]
    assert stores.tables.clients[key].generation == 1


@pytest.mark.parametrize(("times", "facts"), [(2, 2), (99, 0)])
def test_a_lock_that_is_held_for_long_keeps_nobody_else_from_being_rebuilt(
    stores: MemoryStores, monkeypatch: pytest.MonkeyPatch, times: int, facts: int
) -> None:
    tries = []

    def rebuild(key: ClientKey, store: Store, reason: str) -> int:
        if key.client_id == "client-2" and len(tries) < times:
            tries.append(key)
            raise psycopg.errors.LockNotAvailable
        return handlers.open_generation(key, store, reason)

    monkeypatch.setattr(rebuilding, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(rebuilding, "open_generation", rebuild)
    fault = None if facts else "SQLSTATE 55P03 (LockNotAvailable)"
    of_the_second = Rebuilt("client-2", facts, fault)
    assert Run(stores).whole() == [Rebuilt("client-1", 2), of_the_second, Rebuilt("client-3", 2)]


def test_before_a_simulated_clock_is_set_nobody_is_rebuilt(stores: MemoryStores) -> None:
    simulated = MemoryStores(is_simulated=True)
    simulated.tables = stores.tables
    with pytest.raises(NotYet):
        Run(simulated).whole()


def command(stores: MemoryStores, *words: str) -> list[str]:
    operator_command = rebuilding.rebuild_command(lambda *_: stores)
    options = operator_command.parser.parse_args([*words, "--why", "ticket 4711", "--by", "ann"])
    secrets: Any = None
    return operator_command.act(secrets, secrets, options)


def test_the_command_tells_what_became_of_it(
    stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "stop_on_signals", threading.Event)
    monkeypatch.setattr(rebuilding.audit, "record", lambda *_: None)
    monkeypatch.setattr(Rebuild.__init__, "__defaults__", (lambda *_: None,))
    assert command(stores, "--all") == ["rebuilt: 3 clients, 6 facts"]
    key = (LAKESIDE.practice_id, ClientId("client-2"))
    stores.tables.clients[key] = stores.tables.clients[key]._replace(last_sequence=9)
    assert command(stores, "--practice", "lakeside") == [
        "rebuilt: 1 clients, 2 facts",
        "not rebuilt: 1 clients",
        "client-2\tthe ledger tells 2 facts where 9 were published",
    ]
    with stores.transaction() as tables:
        store = stores.within(tables)
        store.rebuilds.begin(ALL)
        store.rebuilds.move(ALL, store.rebuilds.next_clients(ALL, None, 1)[0])
    assert command(stores, "--all")[0] == "done before: 1 clients"


@pytest.mark.parametrize(
    "words", [[], ["--client", "c1"], ["--all", "--practice", "lakeside"], ["--all", "--why", " "]]
)
def test_words_that_do_not_say_whose_are_refused(
    stores: MemoryStores, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    parser: argparse.ArgumentParser = rebuilding.rebuild_command(lambda *_: stores).parser
    with pytest.raises(SystemExit):
        parser.parse_args([*words, "--by", "ann"])
    assert capsys.readouterr().err


def test_a_client_alone_does_not_say_of_which_practice(stores: MemoryStores) -> None:
    with pytest.raises(Refused, match="--client needs --practice"):
        command(stores, "--all", "--client", "c1")
