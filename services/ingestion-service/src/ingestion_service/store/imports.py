"""The files that are on their way into the ledger (ADR 51)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.facts import PracticeId, SourceObjectKey
from ingestion_service.domain.imports import About, Counts, ImportHold, ImportJob, ImportKey
from ingestion_service.ports.imports import KnownObject, PlannedAt
from ingestion_service.store import objects
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch

_BEGIN: Final = """
    INSERT INTO import_job (practice_id, job_id, source, file_hash, options)
    VALUES (%(practice_id)s, %(job_id)s, %(source)s, %(file_hash)s, %(options)s)
    ON CONFLICT DO NOTHING
"""
_JOB: Final = """
    SELECT practice_id, job_id, source, file_hash, options, position, accepted, duplicate, parked,
        rejected, moved_at, hold_id, stands_at,
        import_job.incarnation = (SELECT digits FROM incarnation) AS is_announced
    FROM import_job
"""
# Whoever accepts something at the time of a hold has a lock on the row's key, with which this one
# and that of an UPDATE agree; those of FOR UPDATE and DELETE do not.
_LOCK: Final = f"""
    {_JOB} WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s
    FOR NO KEY UPDATE OF import_job
"""
_TRY_LOCK: Final = f"{_LOCK} SKIP LOCKED"
_MOVE: Final = """
    UPDATE import_job SET position = %(position)s, accepted = %(accepted)s,
        duplicate = %(duplicate)s, parked = %(parked)s, rejected = %(rejected)s,
        moved_at = clock_timestamp()
    WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s
"""
_HOLD: Final = """
    UPDATE import_job SET hold_id = %(hold_id)s, stands_at = %(stands_at)s, incarnation = digits
    FROM incarnation WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s
"""
_AWAIT_OTHERS: Final = """
    SELECT FROM import_job WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s FOR UPDATE
"""
_RELEASE: Final = """
    UPDATE import_job SET hold_id = NULL, stands_at = NULL, incarnation = NULL
    WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s
"""
_END: Final = """
    DELETE FROM import_job WHERE practice_id = %(practice_id)s AND job_id = %(job_id)s
"""
_STAND_AT: Final = """
    SELECT practice_id, stands_at FROM import_job
    WHERE practice_id = ANY(%(practice_ids)b::text[]) AND stands_at IS NOT NULL
    ORDER BY practice_id, job_id FOR KEY SHARE
"""
_HELD: Final = f"{_JOB} WHERE stands_at IS NOT NULL"
_FORGET: Final = "DELETE FROM import_job WHERE stands_at IS NULL AND moved_at < %(before)s"
_PLAN: Final = """
    INSERT INTO planned_booking (practice_id, source, booking_id, starts_at)
    SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(booking_id)b::text[],
        %(starts_at)b::timestamptz[])
    ON CONFLICT (practice_id, source, booking_id) DO UPDATE SET starts_at = excluded.starts_at
"""
_UNPLAN: Final = """
    DELETE FROM planned_booking
    USING unnest(%(practice_id)b::text[], %(source)b::text[], %(booking_id)b::text[])
        AS done(practice_id, source, booking_id)
    WHERE planned_booking.practice_id = done.practice_id
      AND planned_booking.source = done.source
      AND planned_booking.booking_id = done.booking_id
"""
_PLANNED: Final = f"""
    SELECT {", ".join(PlannedAt._fields)} FROM planned_booking
    WHERE practice_id = %(practice_id)s AND source = %(source)s
      AND (starts_at, booking_id) > (%(starts_at)s, %(booking_id)s) AND starts_at < %(end)s
    ORDER BY starts_at, booking_id LIMIT %(limit)s
"""
_FORGET_PLANNED: Final = """
    DELETE FROM planned_booking
    WHERE practice_id = %(practice_id)s AND source = %(source)s AND starts_at < %(before)s
"""


class PostgresImports:
    """`ports.imports.Imports` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def begin(self, key: ImportKey, about: About) -> None:
        execute(self._tx, _BEGIN, key._asdict() | about._asdict())

    def lock(self, key: ImportKey, *, waits: bool = True) -> ImportJob | None:
        rows = fetch(self._tx, _LOCK if waits else _TRY_LOCK, key._asdict())
        return _job(rows[0]) if rows else None

    def move(self, key: ImportKey, position: int, counts: Counts) -> None:
        execute(self._tx, _MOVE, {**key._asdict(), **counts._asdict(), "position": position})

    def hold(self, key: ImportKey, hold: ImportHold) -> None:
        parameters = {"hold_id": hold.hold_id, "stands_at": hold.stands_at}
        execute(self._tx, _HOLD, key._asdict() | parameters)

    def release(self, key: ImportKey) -> None:
        fetch(self._tx, _AWAIT_OTHERS, key._asdict())
        execute(self._tx, _RELEASE, key._asdict())

    def end(self, key: ImportKey) -> None:
        execute(self._tx, _END, key._asdict())

    def stand_at(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, datetime]:
        found: dict[PracticeId, datetime] = {}
        parameters = {"practice_ids": list(practice_ids)}
        for row in fetch(self._tx, _STAND_AT, parameters, prepare=False):
            earliest = found.get(row.practice_id, row.stands_at)
            found[row.practice_id] = min(earliest, row.stands_at)
        return found

    def held(self) -> list[ImportJob]:
        return [_job(row) for row in fetch(self._tx, _HELD)]

    def forget(self, before: datetime) -> None:
        execute(self._tx, _FORGET, {"before": before})

    def objects(self, keys: Collection[SourceObjectKey]) -> Mapping[SourceObjectKey, KnownObject]:
        found = objects.read(self._tx, keys)
        return {key: KnownObject(one.owner, one.standing) for key, one in found.items()}

    def plan(self, bookings: Mapping[SourceObjectKey, datetime | None]) -> None:
        hours = {key: at for key, at in bookings.items() if at is not None}
        done = [key for key in bookings if key not in hours]
        if hours:
            self._write(_PLAN, hours, starts_at=list(hours.values()))
        if done:
            self._write(_UNPLAN, done)

    def _write(self, statement: str, keys: Iterable[SourceObjectKey], **more: Any) -> None:
        columns = arrays(("practice_id", "source", "kind", "booking_id"), keys)
        del columns["kind"]
        execute(self._tx, statement, {**columns, **more}, prepare=False)

    def planned(self, after: PlannedAt, end: datetime, limit: int) -> list[PlannedAt]:
        parameters = {**after._asdict(), "end": end, "limit": limit}
        return [PlannedAt(*row) for row in fetch(self._tx, _PLANNED, parameters)]

    def forget_planned(self, practice_id: PracticeId, source: str, before: datetime) -> None:
        parameters = {"practice_id": practice_id, "source": source, "before": before}
        execute(self._tx, _FORGET_PLANNED, parameters)


def _job(row: Any) -> ImportJob:
    hold = None
    if row.hold_id is not None:
        hold = ImportHold(row.hold_id, row.stands_at, row.is_announced)
    return ImportJob(
        ImportKey(row.practice_id, row.job_id),
        About(row.source, row.file_hash, row.options),
        row.position,
        Counts(row.accepted, row.duplicate, row.parked, row.rejected),
        row.moved_at,
        hold,
    )
