"""A client's activities derived anew for another zone, from the facts accepted so far (ADR 54)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import Delta, announcement
from ingestion_service.domain.facts import SourceFact, SourceObjectKey
from ingestion_service.domain.object_batch import Known, ObjectBatch
from ingestion_service.domain.standings import Standing


class PastFact(NamedTuple):
    """A fact in the ledger at `ledger_id`, the order of acceptance. `sequence` is that of the first
    activity that it caused so far; of one that caused none, that of the next one."""

    ledger_id: int
    fact: SourceFact
    accepted_at: datetime
    sequence: int


class Derived(NamedTuple):
    """What a fact causes in the new zone, and the sequence of the first of it."""

    past: PastFact
    sequence: int
    deltas: Sequence[Delta]


class Derivation:
    """Folds all facts of one client in the order of acceptance, from nothing."""

    def __init__(
        self, object_ids: Mapping[SourceObjectKey, str], zone: str, registered: int | None
    ) -> None:
        """`object_ids` are those of all bookings, payments and parts of the client's. `registered`
        is the sequence of the client's registration, None without one; it keeps its place among the
        facts."""
        known = {key: Known(each, Standing()) for key, each in object_ids.items()}
        self._objects = ObjectBatch(known)
        self._zone = zone
        self._registered_before = registered
        self.registered: int | None = None
        self.facts = 0

    def add(self, past: PastFact) -> Derived:
        """What the next fact causes."""
        if self._registered_before is not None and past.sequence > self._registered_before:
            self.end()
        deltas: Sequence[Delta] = self._objects.fold(past.fact, ZoneInfo(self._zone)).deltas
        first = self.facts + 1
        if not deltas and first == 1:
            deltas = [announcement(past.fact, self._zone, past.accepted_at)]
        self.facts += len(deltas)
        return Derived(past, first, deltas)

    def end(self) -> None:
        """There is no further fact before the registration, if it has not had its place yet."""
        if self._registered_before is not None and self.registered is None:
            self.facts += 1
            self.registered = self.facts

    @property
    def standings(self) -> Mapping[SourceObjectKey, Standing]:
        """Where the bookings and payments stand after all facts."""
        return self._objects.standings
