"""The files that are on their way into the ledger, in memory."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ingestion_service.domain.facts import PracticeId, SourceObjectKey
from ingestion_service.domain.imports import About, Counts, ImportHold, ImportJob, ImportKey
from ingestion_service.ports.imports import KnownObject, PlannedAt
from tests.support.memory.ingestion_queues import QueueTables


class JobRow(NamedTuple):
    """An import; `incarnation` is that in which its hold was announced."""

    job: ImportJob
    incarnation: int = 0


class MemoryImports:
    """`Imports` over the tables of ingestion; the incarnation is that of the queues."""

    def __init__(self, tables: Any, real_time: datetime) -> None:
        self._tables = tables
        self._jobs: dict[ImportKey, JobRow] = tables.imports
        self._queues: QueueTables = tables.queues
        self._real_time = real_time

    def begin(self, key: ImportKey, about: About) -> None:
        job = ImportJob(key, about, 0, Counts(), self._real_time, None)
        self._jobs.setdefault(key, JobRow(job))

    def lock(self, key: ImportKey, *, waits: bool = True) -> ImportJob | None:
        row = self._jobs.get(key)
        return None if row is None else self._job(row)

    def _job(self, row: JobRow) -> ImportJob:
        hold = row.job.hold
        if hold is None:
            return row.job
        is_announced = row.incarnation == self._queues.incarnation
        return row.job._replace(hold=hold._replace(is_announced=is_announced))

    def _change(self, key: ImportKey, **changes: object) -> None:
        row = self._jobs[key]
        self._jobs[key] = row._replace(job=row.job._replace(**changes))

    def move(self, key: ImportKey, position: int, counts: Counts) -> None:
        self._change(key, position=position, counts=counts, moved_at=self._real_time)

    def hold(self, key: ImportKey, hold: ImportHold) -> None:
        self._change(key, hold=hold)
        self._jobs[key] = self._jobs[key]._replace(incarnation=self._queues.incarnation)

    def release(self, key: ImportKey) -> None:
        self._change(key, hold=None)

    def end(self, key: ImportKey) -> None:
        del self._jobs[key]

    def stand_at(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, datetime]:
        found: dict[PracticeId, datetime] = {}
        for job in self.held():
            practice_id = job.key.practice_id
            if job.hold is not None and practice_id in practice_ids:
                at = job.hold.stands_at
                found[practice_id] = min(found.get(practice_id, at), at)
        return found

    def held(self) -> list[ImportJob]:
        return [self._job(row) for row in self._jobs.values() if row.job.hold is not None]

    def forget(self, before: datetime) -> None:
        gone = [
            key
            for key, row in self._jobs.items()
            if row.job.hold is None and row.job.moved_at < before
        ]
        for key in gone:
            del self._jobs[key]

    def objects(self, keys: Collection[SourceObjectKey]) -> Mapping[SourceObjectKey, KnownObject]:
        known = self._tables.objects
        return {
            key: KnownObject(known[key].owner, known[key].standing) for key in keys & known.keys()
        }

    def plan(self, bookings: Mapping[SourceObjectKey, datetime | None]) -> None:
        for key, starts_at in bookings.items():
            self._tables.planned.pop(key, None)
            if starts_at is not None:
                self._tables.planned[key] = starts_at

    def planned(self, after: PlannedAt, end: datetime, limit: int) -> list[PlannedAt]:
        found = sorted(
            PlannedAt(key.practice_id, key.source, at, key.external_id)
            for key, at in self._tables.planned.items()
            if (key.practice_id, key.source) == after[:2] and at < end
        )
        return [each for each in found if each > after][:limit]

    def forget_planned(self, practice_id: PracticeId, source: str, before: datetime) -> None:
        for key, at in list(self._tables.planned.items()):
            if (key.practice_id, key.source) == (practice_id, source) and at < before:
                del self._tables.planned[key]
