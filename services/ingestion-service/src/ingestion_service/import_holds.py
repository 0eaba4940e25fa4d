"""While a file goes into the ledger its practice stands still, and a hold says so (ADR 51).

What comes of the practice meanwhile, from the file or live, is accepted at the time at which it
stands: its clients are not judged on half a file. A hold ends with its import, or, when that has
not moved for an hour, by a worker.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.imports import ImportHold, ImportJob
from ingestion_service.ports import Hold, Store
from ingestion_service.queues import held_time

IDLE: Final = timedelta(hours=1)
"""After so long without a step a worker ends the hold of an import: who gave the command does not
come back, or not soon."""


def with_imports(
    practice_ids: Collection[PracticeId], times: Mapping[PracticeId, datetime], store: Store
) -> Mapping[PracticeId, datetime]:
    """The times at which practices stand: by their queues (`times`), or by imports, whichever is
    earlier. What is accepted at such a time comes before the end of its hold."""
    held = store.imports.stand_at(practice_ids)
    return {**times, **{each: min(at, times.get(each, at)) for each, at in held.items()}}


def hold_practice(job: ImportJob, store: Store) -> None:
    """Let the practice of a locked import stand where it is now, unless it does already; announce
    that, if this life of the database has not yet."""
    hold = job.hold
    if hold is not None and hold.is_announced:
        return
    if hold is None:
        hold = ImportHold(uuid.uuid4().hex, held_time(store), is_announced=True)
    store.imports.hold(job.key, hold)
    store.announce_holds([_announcement(job, hold, is_held=True, since=hold.stands_at)])


def end_import(job: ImportJob, store: Store) -> None:
    """A locked import is done: time goes on for its practice, behind all that was accepted."""
    store.imports.end(job.key)
    _announce_end(job, store)


def tend_imports(store: Store) -> None:
    """After a restore, announce the holds of imports again. End those of imports that have not
    moved for an hour. An import that takes a step at this moment does so itself."""
    held = store.imports.held()
    if not held:
        return
    now = store.real_time()
    for seen in held:
        if _is_in_order(seen, now):
            continue
        job = store.imports.lock(seen.key, waits=False)
        if job is None or _is_in_order(job, now):
            continue
        if job.moved_at < now - IDLE:
            store.imports.release(job.key)
            _announce_end(job, store)
        else:
            hold_practice(job, store)


def _is_in_order(job: ImportJob, now: datetime) -> bool:
    return job.hold is None or (job.hold.is_announced and job.moved_at >= now - IDLE)


def _announce_end(job: ImportJob, store: Store) -> None:
    if job.hold is not None:
        now = held_time(store)
        store.announce_holds([_announcement(job, job.hold, is_held=False, since=now)])


def _announcement(job: ImportJob, hold: ImportHold, *, is_held: bool, since: datetime) -> Hold:
    return Hold(
        job.key.practice_id, hold.hold_id, is_held, since, reason="import", source=job.about.source
    )
