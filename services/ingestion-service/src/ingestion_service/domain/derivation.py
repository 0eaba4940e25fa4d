"""A client's activities derived anew for another zone, from the facts accepted so far (ADR 54)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import Delta, announcement
from ingestion_service.domain.facts import IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.domain.object_batch import Known, ObjectBatch
from ingestion_service.domain.source_objects import SourceObject
from ingestion_service.domain.standings import Standing, in_zone


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
    """Folds all facts of one client in the order of acceptance, from nothing.

    Of a payment that has counted for another client, too, each of them has some of the facts only.
    For whom it counts now, that one's first fact about it tells all that it counts for by now; the
    others tell nothing of it.
    """

    def __init__(
        self,
        known: Mapping[SourceObjectKey, Known],
        identities: Collection[IdentityKey],
        zone: str,
        registered: int | None,
    ) -> None:
        """`known` holds all bookings, payments and parts that are of the client with these
        identities, or count for it. `registered` is the sequence of the client's registration, None
        without one; it keeps its place among the facts."""
        self._zone = ZoneInfo(zone)
        self._zone_name = zone
        self._own = {
            key: Known(one.object_id, Standing(is_in_package=one.standing.is_in_package))
            for key, one in known.items()
            if one.standing.counts_for is None
        }
        self._objects = ObjectBatch(self._own)
        self._moved = {
            key: SourceObject(self._zone, _untold(one.standing, self._zone))
            for key, one in known.items()
            if counts_for(key, one.standing) in identities
        }
        self._registered_before = registered
        self.registered: int | None = None
        self.facts = 0

    def add(self, past: PastFact) -> Derived:
        """What the next fact causes."""
        if self._registered_before is not None and past.sequence > self._registered_before:
            self.end()
        deltas = self._deltas(past.fact)
        first = self.facts + 1
        if not deltas and first == 1 and not past.fact.is_care:
            deltas = [announcement(past.fact, self._zone_name, past.accepted_at)]
        self.facts += len(deltas)
        return Derived(past, first, deltas)

    def _deltas(self, fact: SourceFact) -> Sequence[Delta]:
        if fact.object_key in self._own:
            return self._objects.fold(fact, self._zone).deltas
        moved = self._moved.get(fact.object_key)
        return [] if moved is None else moved.publish(fact)

    def end(self) -> None:
        """There is no further fact before the registration, if it has not had its place yet."""
        if self._registered_before is not None and self.registered is None:
            self.facts += 1
            self.registered = self.facts

    @property
    def standings(self) -> Mapping[SourceObjectKey, Standing]:
        """Where the bookings and payments stand after all facts."""
        moved = {key: each.standing for key, each in self._moved.items()}
        return self._objects.standings | moved


def _untold(standing: Standing, zone: tzinfo) -> Standing:
    """A payment's standing in a zone, before anything of it is told."""
    return in_zone(standing, zone)._replace(effect=())


def counts_for(key: SourceObjectKey, standing: Standing) -> IdentityKey | None:
    """For whom a payment counts that has counted for another client than whom its events name; None
    for anything else."""
    whose = standing.counts_for
    return None if whose is None else IdentityKey(key.practice_id, *whose)
