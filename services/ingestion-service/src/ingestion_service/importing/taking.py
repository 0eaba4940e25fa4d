"""The events of a file are accepted chunk by chunk, each with how far it has come.

A chunk and the position behind it are one transaction: killed at any moment and begun again, an
import goes on there. It waits while much waits to be published, so that what is live comes soon.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from ingestion_service import translate
from ingestion_service.domain.facts import SourceFact
from ingestion_service.domain.imports import About, ImportJob, ImportKey
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.door import accept_sent
from ingestion_service.import_holds import end_import, hold_practice
from ingestion_service.ports import Store, Stores
from ingestion_service.queues import practice_times
from ingestion_service.remarks import count_remark
from rapport_contracts.source import SourceEvent, object_id
from rapport_runtime import failpoints
from rapport_runtime.db_errors import DatabaseError, is_transient
from rapport_runtime.errors import InvalidRecord, TryLater
from rapport_runtime.ops.operators import Refused
from rapport_runtime.stream.processor import refusal

CHUNK: Final = 5_000
"""Events of one transaction: half of what a worker reads at once, so that a live event of the same
booking waits for no longer than it does behind a batch."""
MOST_WAITING: Final = 10_000
"""While so many rows of the outbox wait, no chunk is accepted: one reading of the relay."""
PAUSE_SECONDS: Final = 0.05
WAITS_FOR_LONG: Final = 200
MOST_TRIES: Final = 5
"""So often a chunk is tried whose transaction ended by what may pass, such as a lock."""
FORGOTTEN: Final = timedelta(days=30)
"""After so long without a step it is forgotten how far an import had come: it begins anew then,
and what it had told is known."""


_IN_THE_LEDGER: Final = frozenset({"accepted", "duplicate"})


class Numbered(NamedTuple):
    """An event, and the line of the file that tells it; 0 for none."""

    line: int
    event: SourceEvent


class RefusedLine(NamedTuple):
    """Why an event was refused that the file tells in a line."""

    line: int
    reason: str
    detail: str


class Tells(NamedTuple):
    """What an import tells while it runs. `say` gets a line for a person where it waits for long;
    `refuse` what is refused of each chunk, before its transaction ends, so that a kill loses none;
    `note` the facts of each chunk that are in the ledger, in its transaction."""

    say: Callable[[str], None] = lambda _: None
    refuse: Callable[[Sequence[RefusedLine]], None] = lambda _: None
    note: Callable[[Sequence[SourceFact], Store], None] = lambda _facts, _store: None


class WhollyRefused(Refused):
    """All of the first chunk was refused; nothing was written."""


def begun(key: ImportKey, stores: Stores) -> ImportJob | None:
    """How far an import has come that was begun and has not ended; forgets those that have stood
    still for a month."""
    with stores.transaction() as tx:
        store = stores.within(tx)
        store.imports.forget(store.real_time() - FORGOTTEN)
        return store.imports.lock(key)


class Import:
    """Takes the events of one file, until they are done or `stop` is set."""

    def __init__(
        self,
        stores: Stores,
        key: ImportKey,
        about: About,
        stop: threading.Event,
        tells: Tells,
    ) -> None:
        self._stores = stores
        self._key = key
        self._about = about
        self._stop = stop
        self._tells = tells

    def steps(self, events: Iterable[Numbered], position: int) -> Iterator[ImportJob]:
        """Accept the events behind `position`; gives how far it has come with each chunk, and ends
        early when it is to stop. Raises `WhollyRefused`, `Refused` when another command takes the
        same file, `NotYet` before a simulated clock is first set, and what the database raises for
        good."""
        for chunk in chunks(events):
            self._await_room()
            if self._stop.is_set():
                return
            for job in self._take(chunk, position):
                position = job.position
                yield job

    def end(self) -> None:
        """The whole file is taken: the practice's time goes on."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            job = store.imports.lock(self._key)
            if job is not None:
                end_import(job, store)

    def _take(self, chunk: Sequence[Numbered], position: int) -> Iterator[ImportJob]:
        """Accept a chunk; when its data is refused, its halves, until the event at fault stands
        alone."""
        try:
            taken = self._tried(chunk, position)
        except (InvalidRecord, *DatabaseError) as error:
            refused = refusal(error)
            if refused is None:
                raise
        else:
            yield taken
            return
        if len(chunk) == 1:
            yield self._pass_over(chunk[0], position, refused)
            return
        half = len(chunk) // 2
        yield from self._take(chunk[:half], position)
        yield from self._take(chunk[half:], position + half)

    def _tried(self, chunk: Sequence[Numbered], position: int) -> ImportJob:
        """Accept a chunk in a transaction, which is tried again after what may pass."""
        for left in reversed(range(MOST_TRIES)):
            try:
                return self._accept(chunk, position)
            except TryLater:
                if not left:
                    raise
            except DatabaseError as error:
                if not (left and is_transient(error)):
                    raise
            self._stop.wait(PAUSE_SECONDS)
        raise AssertionError

    def _accept(self, chunk: Sequence[Numbered], position: int) -> ImportJob:
        facts = [translate.fact_of(each.event) for each in chunk]
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            job = self._locked(store, position)
            times = practice_times({self._key.practice_id}, store)
            results = accept_sent(facts, store, times)
            if position == 0 and all(each.status == "rejected" for each in results):
                self._tells.refuse(_refused(chunk, results))
                raise _wholly_refused(results)
            known = zip(facts, results, strict=True)
            self._tells.note([fact for fact, each in known if each.status in _IN_THE_LEDGER], store)
            job = self._moved(job, chunk, results, store)
            failpoints.hit("importing")
        for fact, result in zip(facts, results, strict=True):
            count_remark(fact.kind, result)
        return job

    def _pass_over(self, each: Numbered, position: int, refused: InvalidRecord) -> ImportJob:
        result = IntakeResult("rejected", detail=refused.detail)
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            return self._moved(self._locked(store, position), [each], [result], store)

    def _locked(self, store: Store, position: int) -> ImportJob:
        store.imports.begin(self._key, self._about)
        job = store.imports.lock(self._key)
        if job is None or job.position != position:
            raise Refused("another command takes this file at the moment: let it end")
        hold_practice(job, store)
        return job

    def _moved(
        self,
        job: ImportJob,
        chunk: Sequence[Numbered],
        results: Sequence[IntakeResult],
        store: Store,
    ) -> ImportJob:
        position, counts = job.position + len(chunk), job.counts.plus(results)
        store.imports.move(job.key, position, counts)
        self._tells.refuse(_refused(chunk, results))
        return job._replace(position=position, counts=counts)

    def _await_room(self) -> None:
        waits = 0
        while self._is_outbox_long() and not self._stop.wait(PAUSE_SECONDS):
            waits += 1
            if waits == WAITS_FOR_LONG:
                self._tells.say("it waits until a worker has published what was accepted")

    def _is_outbox_long(self) -> bool:
        with self._stores.transaction() as tx:
            return self._stores.within(tx).rebuilds.waiting(MOST_WAITING) >= MOST_WAITING


def chunks(events: Iterable[Numbered], size: int = CHUNK) -> Iterator[list[Numbered]]:
    """The events in chunks of `size`, or of a few more: those that follow each other about one
    booking, payment or signal stay together."""
    chunk: list[Numbered] = []
    for each in events:
        if len(chunk) >= size and object_id(each.event) != object_id(chunk[-1].event):
            yield chunk
            chunk = []
        chunk.append(each)
    if chunk:
        yield chunk


def _refused(chunk: Sequence[Numbered], results: Sequence[IntakeResult]) -> list[RefusedLine]:
    return [
        RefusedLine(each.line, result.reason or "rejected", result.detail or "")
        for each, result in zip(chunk, results, strict=True)
        if result.status == "rejected"
    ]


def _wholly_refused(results: Sequence[IntakeResult]) -> WhollyRefused:
    first = results[0]
    others = len({each.reason for each in results}) - 1
    and_others = f" (and {others} more reasons)" if others else ""
    return WhollyRefused(
        f"the first {len(results)} events were refused, and nothing was written:"
        f" {first.reason}, {first.detail}{and_others}"
    )
