"""The command `rebuild`: the facts of clients are said anew from the ledger (ADR 48).

Client by client, each in a transaction of its own, which notes how far the rebuild has come: killed
at any moment and given again, it goes on there. It waits while much waits to be published, so that
what is live comes soon.
"""

import argparse
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ingestion_service.domain.errors import Conflict, NotYet, Unknown
from ingestion_service.domain.facts import ClientId, PracticeId
from ingestion_service.handlers import open_generation
from ingestion_service.ports import ClientKey, Scope, Store, Stores
from rapport_runtime import failpoints
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, describe, is_transient
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import OperatorCommand, Refused, Secrets, actor, add_reason
from rapport_runtime.stream.worker import stop_on_signals

REASON: Final = "rebuild"
MOST_WAITING: Final = 1_000
"""While so many rows of the outbox wait, no client is rebuilt."""
MOST_TOLD: Final = 100
"""Of the clients that were not rebuilt, so many are told by id."""
PAUSE_SECONDS: Final = 0.2
MOST_TRIES: Final = 5
"""So often a client is tried whose transaction ended by what may pass, such as a lock; then the
others have their turn."""

OpenStores = Callable[[Database, Secrets], Stores]
Note = Callable[[Any, audit.AuditEntry], None]
"""Writes into the audit, in a transaction."""


class Rebuilt(NamedTuple):
    """What became of one client: how many facts were said anew, or why none."""

    client_id: str
    facts: int
    fault: str | None = None


class Rebuild:
    """Rebuilds the clients of a scope, until it is done or `stop` is set."""

    def __init__(
        self, stores: Stores, scope: Scope, stop: threading.Event, note: Note = audit.record
    ) -> None:
        self._stores = stores
        self._scope = scope
        self._stop = stop
        self._note = note

    def begin(self, by: str, why: str) -> int:
        """Begin, or go on with what was begun; how many clients are done already. Raises `Refused`
        for a practice or client that there is not."""
        with self._stores.transaction() as tx:
            store, scope = self._stores.within(tx), self._scope
            if scope.practice_id is not None and not store.practices({scope.practice_id}):
                raise Refused(f"practice {scope.practice_id} is not registered")
            if scope.client_id is not None and not store.rebuilds.next_clients(scope, None, 1):
                raise Refused(f"practice {scope.practice_id} has no client {scope.client_id}")
            store.rebuilds.begin(scope)
            progress = store.rebuilds.lock(scope)
            self._note(tx, audit.AuditEntry(by, "replay", "clients", told(scope), why, count=0))
        return 0 if progress is None else progress.clients

    def step(self) -> Rebuilt | None:
        """Rebuild the next client; None when there is none left, or it is to stop. Raises `NotYet`
        before a simulated clock is first set, and what the database raises for good."""
        while self._is_outbox_long() and not self._stop.wait(PAUSE_SECONDS):
            pass
        fault = ""
        for _ in range(MOST_TRIES):
            if self._stop.is_set():
                return None
            try:
                return self._next()
            except DatabaseError as error:
                if not is_transient(error):
                    raise
                fault = describe(error)
                self._stop.wait(PAUSE_SECONDS)
        return self._next(fault)

    def _next(self, fault: str | None = None) -> Rebuilt | None:
        """Rebuild the next client; with a fault, pass it over."""
        with self._stores.transaction() as tx:
            rebuilds = (store := self._stores.within(tx)).rebuilds
            progress = rebuilds.lock(self._scope)
            if progress is None:
                return None
            found = rebuilds.next_clients(self._scope, progress.done, 1)
            if not found:
                rebuilds.end(self._scope)
                return None
            done = Rebuilt(found[0].client_id, 0, fault) if fault else _rebuilt(found[0], store)
            rebuilds.move(self._scope, found[0])
            failpoints.hit("rebuilding")
        return done

    def _is_outbox_long(self) -> bool:
        with self._stores.transaction() as tx:
            return self._stores.within(tx).rebuilds.waiting(MOST_WAITING) >= MOST_WAITING


def _rebuilt(key: ClientKey, store: Store) -> Rebuilt:
    try:
        with store.rebuilds.attempt():
            return Rebuilt(key.client_id, open_generation(key, store, REASON))
    except (Conflict, Unknown) as error:
        return Rebuilt(key.client_id, 0, error.detail)


def told(scope: Scope) -> str:
    """A scope in words, as the audit has it."""
    if scope.practice_id is None:
        return "all"
    if scope.client_id is None:
        return f"practice {scope.practice_id}"
    return f"client {scope.client_id} of practice {scope.practice_id}"


def rebuild_command(open_stores: OpenStores) -> OperatorCommand:
    """The command for one client, all of a practice, or all."""

    def act(database: Database, secrets: Secrets, options: argparse.Namespace) -> list[str]:
        scope, by = _scope(options), actor(options)
        stop = stop_on_signals()
        rebuild = Rebuild(open_stores(database, secrets), scope, stop)
        before = rebuild.begin(by, options.why)
        try:
            lines = _run(rebuild)
        except NotYet as error:
            raise Refused(error.detail) from error
        if before:
            lines.insert(0, f"done before: {before} clients")
        if stop.is_set():
            lines.append("it was stopped: give it again, and it goes on")
        return lines

    return OperatorCommand(_parser(), act)


def _run(rebuild: Rebuild) -> list[str]:
    clients = facts = 0
    faulty: list[Rebuilt] = []
    while (done := rebuild.step()) is not None:
        clients, facts = clients + (done.fault is None), facts + done.facts
        if done.fault is not None:
            faulty.append(done)
    lines = [f"rebuilt: {clients} clients, {facts} facts"]
    if faulty:
        lines.append(f"not rebuilt: {len(faulty)} clients")
        lines += [f"{each.client_id}\t{each.fault}" for each in faulty[:MOST_TOLD]]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rebuild",
        description="say the facts of clients anew from the ledger; readers replace what they have"
        " of them once all have come. Killed and given again, it goes on where it was.",
    )
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--all", action="store_true", help="all clients of all practices")
    whose.add_argument("--practice", metavar="ID", help="all clients of this practice")
    parser.add_argument("--client", metavar="ID", help="with --practice: this client alone")
    add_reason(parser, required=True)
    return parser


def _scope(options: argparse.Namespace) -> Scope:
    if options.client is not None and options.practice is None:
        raise Refused("--client needs --practice: whose client it is")
    if options.practice is None:
        return Scope()
    client_id = None if options.client is None else ClientId(options.client)
    return Scope(PracticeId(options.practice), client_id)
