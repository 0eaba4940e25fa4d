"""Changes of zone in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ingestion_service.domain.activities import registered
from ingestion_service.domain.derivation import Derived, PastFact, counts_for
from ingestion_service.domain.facts import ClientId, EventKey, PracticeId
from ingestion_service.domain.object_batch import Known
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import ClientKey, LedgerEntry
from ingestion_service.ports.zones import Change, Locked, Turned

PAGE = 2
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


class Told(NamedTuple):
    """What an event of the ledger causes in the zone that its client's practice has now."""

    first_sequence: int
    deltas: Sequence[Any]


@dataclass
class ZoneTables:
    """The changes that go on, and what is told of events in place of the ledger."""

    changes: dict[PracticeId, Change] = field(default_factory=dict)
    told: dict[EventKey, Told] = field(default_factory=dict)

    def __copy__(self) -> "ZoneTables":
        return ZoneTables(dict(self.changes), dict(self.told))

    def note(self, known: Practice | None, wanted: Practice) -> None:
        """A practice is about to be saved."""
        if known is not None and known.zone != wanted.zone:
            self.changes[known.practice_id] = Change(known.practice_id, LONG_AGO, None)

    def as_told(self, entry: LedgerEntry) -> LedgerEntry:
        """An entry with what is told of it now."""
        told = self.told.get(entry.fact.event_key)
        return entry if told is None else entry._replace(**told._asdict())


class MemoryZones:
    """`Zones` over the tables of ingestion."""

    def __init__(self, tables: Any) -> None:
        self._tables = tables

    def changes(self, limit: int) -> list[PracticeId]:
        return list(self._tables.zones.changes)[:limit]

    def try_lock(self, practice_id: PracticeId) -> Change | None:
        found: Change | None = self._tables.zones.changes.get(practice_id)
        return found

    def next_client(self, change: Change) -> ClientKey | None:
        zone = self._tables.practices[change.practice_id].zone
        left = (key for key, client in sorted(self._tables.clients.items()) if client.zone != zone)
        behind = (change.practice_id, change.done or "")
        found = (ClientKey(*key) for key in left if key[0] == change.practice_id and key > behind)
        return next(found, None)

    def move(self, practice_id: PracticeId, done: ClientId | None) -> None:
        changes = self._tables.zones.changes
        changes[practice_id] = changes[practice_id]._replace(done=done)

    def end(self, practice_id: PracticeId) -> None:
        del self._tables.zones.changes[practice_id]

    def lock(self, key: ClientKey) -> Locked | None:
        client = self._tables.clients.get(key)
        if client is None:
            return None
        identities = {
            each for each, whose in self._tables.identities.items() if whose == key.client_id
        }
        known = {
            each: Known(one.object_id, one.standing)
            for each, one in self._tables.objects.items()
            if {one.owner, counts_for(each, one.standing)} & identities
        }
        registration = self._tables.registrations.get(key)
        if registration is None:
            return Locked(client, identities, known, None, None)
        at = registration.accepted_at
        return Locked(client, identities, known, registration.sequence, at)

    def history(self, key: ClientKey) -> Iterator[Sequence[PastFact]]:
        found = [
            PastFact(number, entry.fact, entry.accepted_at, entry.first_sequence)
            for number, entry in enumerate(map(self._tables.zones.as_told, self._entries()))
            if (entry.fact.practice_id, entry.client_id) == key
        ]
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]

    def _entries(self) -> list[LedgerEntry]:
        return list(self._tables.ledger.values())

    def keep(self, key: ClientKey, derived: Sequence[Derived]) -> None:
        for past, first, deltas in derived:
            self._tables.zones.told[past.fact.event_key] = Told(first, deltas)

    def turn(self, key: ClientKey, turned: Turned) -> None:
        client = self._tables.clients[key]
        zone, facts, sequence, on = turned
        self._tables.clients[key] = client._replace(zone=zone, last_sequence=facts)
        if sequence is not None:
            known = self._tables.registrations[key]
            owner = known.owner._replace(zone=zone)
            self._tables.registrations[key] = registered(owner, sequence, known.accepted_at, on)
