"""What imports of files need from outside, within one transaction of the store."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.facts import IdentityKey, PracticeId, SourceObjectKey
from ingestion_service.domain.imports import About, Counts, ImportHold, ImportJob, ImportKey
from ingestion_service.domain.standings import Standing


class PlannedAt(NamedTuple):
    """The hour for which a snapshot has said a booking to be planned, and the booking's id."""

    practice_id: PracticeId
    source: str
    starts_at: datetime
    booking_id: str


class KnownObject(NamedTuple):
    """A booking or payment as it stands; without an owner only parked events are about it."""

    owner: IdentityKey | None
    standing: Standing


class Imports(Protocol):
    """The files that are on their way into the ledger, within one transaction (ADR 51)."""

    def begin(self, key: ImportKey, about: About) -> None:
        """Begin an import, unless it was begun and has not ended."""

    def lock(self, key: ImportKey, *, waits: bool = True) -> ImportJob | None:
        """How far an import has come, locked. None when it was not begun, or has ended; or when
        another transaction has it, unless this one `waits`."""

    def move(self, key: ImportKey, position: int, counts: Counts) -> None:
        """Note how far a locked import has come."""

    def hold(self, key: ImportKey, hold: ImportHold) -> None:
        """Let the practice stand, by a locked import; the caller announces it."""

    def release(self, key: ImportKey) -> None:
        """End the hold of a locked import, behind all that is being accepted at its time."""

    def end(self, key: ImportKey) -> None:
        """Forget a locked import, with its hold, behind all that is being accepted at its time."""

    def stand_at(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, datetime]:
        """The earliest time at which imports let these practices stand, of those of which any does.
        None of these holds ends before this transaction."""

    def held(self) -> list[ImportJob]:
        """The imports with a hold, not locked."""

    def forget(self, before: datetime) -> None:
        """Forget imports without a hold that last moved before an instant."""

    def objects(self, keys: Collection[SourceObjectKey]) -> Mapping[SourceObjectKey, KnownObject]:
        """Those of these objects that are known, read without locks."""

    def plan(self, bookings: Mapping[SourceObjectKey, datetime | None]) -> None:
        """Note for which hours snapshots have said bookings to be planned; None: not any more."""

    def planned(self, after: PlannedAt, end: datetime, limit: int) -> list[PlannedAt]:
        """Up to `limit` bookings that snapshots of a source have said to be planned, by hour and
        id, behind `after` and before the hour `end`."""

    def forget_planned(self, practice_id: PracticeId, source: str, before: datetime) -> None:
        """Forget what snapshots of a source have said to be planned for hours before this one."""
