"""What the command `import` does: it looks, tells, and takes."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.imports import ImportJob
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source, SourceKey
from ingestion_service.door import lets_in
from ingestion_service.importing.reading import (
    Reading,
    Request,
    hash_of,
    look,
    read,
    request_of,
    source_of,
)
from ingestion_service.importing.snapshot import KEPT, note_planned
from ingestion_service.importing.taking import Import, RefusedLine, Tells, begun
from ingestion_service.ports import Store, Stores
from rapport_files.problems import WHOLE_LINE, ErrorFile, Problem, Refusals
from rapport_files.said import said
from rapport_files.understanding import Understanding
from rapport_runtime.database import Database
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import Refused, actor, print_lines
from rapport_runtime.ops.progress import Progress
from rapport_runtime.stream.worker import stop_on_signals

_CORRECT: Final = "correct the line, or take it out of the file"
_WAYS_OUT: Final = {
    "currency-mismatch": "a practice has one currency: convert the amount, or take the line out",
    "occurred-in-the-future": "correct the date, or give the file when it has happened",
    "conflicting-duplicate": "what has changed is a new event: give it an event_id of its own",
}
"""Reason of a refusal -> its way out, where the reason's own words have none."""


class _Errors(NamedTuple):
    """Where refused lines go: those that cannot be read, and those that the ledger refuses."""

    reading: Callable[[Problem], None]
    intake: Refusals
    flush: Callable[[], None]


def run(database: Database, stores: Stores, options: argparse.Namespace) -> list[str]:
    """Look at the file, and take it with --yes; the lines that tell what became of it. Raises
    `Refused`, `NotYet`, and what the database raises for good."""
    practice = _practice(stores, PracticeId(options.practice))
    request = request_of(options, practice, _declared(practice, source_of(options), stores))
    entry = _audit_entry(options, request) if options.yes else None
    if options.errors is not None and options.errors.resolve() == request.path.resolve():
        raise Refused("--errors: another file than the one that is read")
    file_hash = hash_of(request.path)
    state = _state_of(request.path)
    job = begun(request.key(file_hash), stores)
    with _errors(options.errors, goes_on=job is not None and job.position > 0) as errors:
        understood = look(request, errors.reading)
        print_lines(_told(understood))
        if not understood.can_begin:
            raise Refused("nothing was written: the file is not understood as a whole")
        _check_source(request, stores)
        taken_at = _taken_at(job, options, stores)
        reading = read(request, understood, stores, taken_at, errors.reading)
        print_lines(reading.refusals.by())
        if entry is None:
            return [f"{reading.total:,} events to take; nothing was written: --yes takes them"]
        with database.transaction() as tx:
            audit.record(tx, entry)
        taking = _Taking(request, stores, reading, errors, state)
        return taking.run(file_hash, taken_at, job)


class _Taking:
    """Takes what was read of a file."""

    def __init__(
        self,
        request: Request,
        stores: Stores,
        reading: Reading,
        errors: _Errors,
        state: tuple[int, int],
    ) -> None:
        """`state` is that of the file before it was looked at."""
        self._request = request
        self._stores = stores
        self._reading = reading
        self._errors = errors
        self._state = state

    def run(self, file_hash: str, taken_at: datetime, known: ImportJob | None) -> list[str]:
        """Accept the events behind what is known; the lines that tell what became of them."""
        done = 0 if known is None else known.position
        total = self._reading.total + (0 if self._reading.resumes else done)
        progress = Progress(sys.stderr, "events", total, done)
        stop = stop_on_signals()
        note = _nothing if self._reading.resumes else note_planned
        importing = Import(
            self._stores,
            self._request.key(file_hash),
            self._request.about(file_hash, taken_at),
            stop,
            Tells(progress.say, self._refuse, note),
        )
        job = self._follow(importing, progress, known)
        lines = [] if not done else [f"taken before: {done:,} events"]
        lines += _outcome(job, self._reading.refused, self._errors.intake)
        if stop.is_set():
            lines.append(
                "it was stopped: give it again, and it goes on. The practice stands still until"
                " then, or for an hour"
            )
            return lines
        if not self._reading.resumes:
            self._forget_planned(taken_at)
        importing.end()
        return lines

    def _refuse(self, refused: Sequence[RefusedLine]) -> None:
        for each in refused:
            self._errors.intake.add(_problem(each))
        self._errors.flush()

    def _follow(
        self, importing: Import, progress: Progress, job: ImportJob | None
    ) -> ImportJob | None:
        done = 0 if job is None else job.position
        for job in importing.steps(self._reading.events(done), done):
            progress.show(job.position)
            if _state_of(self._request.path) != self._state:
                progress.close()
                raise Refused("the file was changed meanwhile: give the command again")
        progress.close()
        return job

    def _forget_planned(self, taken_at: datetime) -> None:
        practice_id, source = self._request.practice.practice_id, self._request.source
        with self._stores.transaction() as tx:
            imports = self._stores.within(tx).imports
            imports.forget_planned(practice_id, source, taken_at - KEPT)


def _nothing(_facts: object, _store: Store) -> None:
    """Events that happened plan nothing."""


def _audit_entry(options: argparse.Namespace, request: Request) -> audit.AuditEntry:
    """Who takes the file, and why. Raises `Refused` where something is not said."""
    if options.backfill is None:
        raise Refused(
            "say whether the file reports history: --backfill (messages answer it only where a play"
            " says so), or --no-backfill"
        )
    subject = f"practice {request.practice.practice_id}, source {request.source}"
    why = options.why or "a file of the practice"
    return audit.AuditEntry(actor(options), "create", "import", subject, why, count=1)


def _practice(stores: Stores, practice_id: PracticeId) -> Practice:
    with stores.transaction() as tx:
        found = stores.within(tx).practices({practice_id})
    if not found:
        raise Refused(f"practice {practice_id} is not registered")
    return found[practice_id]


def _declared(practice: Practice, source: str, stores: Stores) -> Source | None:
    key = SourceKey(practice.practice_id, source)
    with stores.transaction() as tx:
        return stores.within(tx).sources([key]).get(key)


def _check_source(request: Request, stores: Stores) -> None:
    """Raise `Refused` where each event would be refused for its source."""
    with stores.transaction() as tx:
        key = SourceKey(request.practice.practice_id, request.source)
        if lets_in(key, stores.within(tx)):
            return
    raise Refused(
        "nothing was written: unknown-source, the practice has not declared --source: declare it"
        " (PUT /v1/sources/{source}), or correct its name"
    )


def _taken_at(job: ImportJob | None, options: argparse.Namespace, stores: Stores) -> datetime:
    """When a snapshot was taken: of one that goes on, as when it was begun."""
    if job is not None:
        return datetime.fromisoformat(json.loads(job.about.options)["taken_at"])
    if options.taken_at is not None:
        at: datetime = options.taken_at
        return at
    with stores.transaction() as tx:
        store = stores.within(tx)
        return store.hold_time() or store.real_time()


@contextmanager
def _errors(path: Path | None, *, goes_on: bool) -> Iterator[_Errors]:
    """A file of errors that goes on has the lines that cannot be read already. Raises `Refused`."""
    if path is None:
        yield _Errors(lambda _: None, Refusals(), lambda: None)
        return
    goes_on = goes_on and path.exists()
    try:
        with ErrorFile(path, goes_on=goes_on) as file:
            reading = (lambda _: None) if goes_on else file.add
            yield _Errors(reading, Refusals(file.add), file.flush)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _told(understood: Understanding) -> Iterator[str]:
    yield from understood.preview.by()
    yield from understood.refusals.by()
    for question in understood.questions:
        yield f"--answer {question.by()}" if not question.lines else question.by()


def _problem(refused: RefusedLine) -> Problem:
    way_out = said(_WAYS_OUT.get(refused.reason, _CORRECT))
    return Problem(refused.line, WHOLE_LINE, said(refused.detail or refused.reason), way_out)


def _outcome(job: ImportJob | None, refused: int, refusals: Refusals) -> list[str]:
    if job is None and refused:
        return [f"nothing to take: {refused:,} refused; what else there is, the ledger has"]
    if job is None:
        return ["nothing to take: the ledger has it all"]
    counts = job.counts
    lines = [
        f"accepted: {counts.accepted:,} events; known before: {counts.duplicate:,};"
        f" waiting for their booking or payment: {counts.parked:,}; refused: {counts.rejected:,}"
    ]
    return [*lines, *refusals.by()]


def _state_of(path: Path) -> tuple[int, int]:
    """The file's size, and when it was last written."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
