"""`Stores` and `Reads` of ingestion in memory, for tests of use cases without a server."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

from ingestion_service.domain.activities import Activity, ActivityOwner, caused, registered
from ingestion_service.domain.care import CareWord, how_many, in_sequence
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.imports import ImportKey
from ingestion_service.domain.packages import KnownPackage, known_package, owner_of, related
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source, SourceKey
from ingestion_service.domain.standings import Standing
from ingestion_service.ports import (
    Client,
    ClockReading,
    KnownClient,
    LedgerEntry,
    Opening,
    Progress,
    Scope,
    SourceProgress,
    StoredObject,
)
from ingestion_service.ports.secrets import Token, Webhook
from tests.support.memory.ingestion_freshness import FreshnessTables, MemoryFreshness
from tests.support.memory.ingestion_imports import JobRow, MemoryImports
from tests.support.memory.ingestion_parking import MemoryParking, Parked
from tests.support.memory.ingestion_queues import MemoryQueues, QueueTables
from tests.support.memory.ingestion_rebuilds import MemoryRebuilds
from tests.support.memory.ingestion_secrets import MemorySecrets
from tests.support.memory.ingestion_sources import MemorySourceReads, MemorySources, UndeclaredRow
from tests.support.memory.ingestion_zones import MemoryZones, ZoneTables

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
ClientKey = tuple[PracticeId, ClientId]


@dataclass
class Tables:
    """What the database holds; `published` and `announced` are the outbox, oldest first, and `said`
    is all of it that is of clients, with the generations that were opened. `waiting` is how many
    rows wait to be published, where a test says so."""

    practices: dict[PracticeId, Practice] = field(default_factory=dict)
    clients: dict[ClientKey, Client] = field(default_factory=dict)
    known_since: dict[ClientKey, datetime] = field(default_factory=dict)
    identities: dict[IdentityKey, ClientId] = field(default_factory=dict)
    objects: dict[SourceObjectKey, StoredObject] = field(default_factory=dict)
    registrations: dict[ClientKey, Activity] = field(default_factory=dict)
    ledger: dict[EventKey, LedgerEntry] = field(default_factory=dict)
    parked: dict[EventKey, Parked] = field(default_factory=dict)
    met: dict[SourceObjectKey, None] = field(default_factory=dict)
    sources: dict[SourceKey, Source] = field(default_factory=dict)
    undeclared: list[UndeclaredRow] = field(default_factory=list)
    released: list[SourceKey] = field(default_factory=list)
    payers: set[tuple[IdentityKey, IdentityKey]] = field(default_factory=set)
    awaited: dict[IdentityKey, list[EventKey]] = field(default_factory=dict)
    webhooks: dict[SourceKey, tuple[Webhook, Token]] = field(default_factory=dict)
    signing: dict[SourceKey, tuple[str, ...]] = field(default_factory=dict)
    simulated_at: datetime | None = None
    published: list[Activity] = field(default_factory=list)
    said: list[Activity | Opening] = field(default_factory=list)
    care: list[CareWord] = field(default_factory=list)
    rebuilds: dict[Scope, Progress] = field(default_factory=dict)
    waiting: int = 0
    lost: dict[EventKey, tuple[ClientId, str | None]] = field(default_factory=dict)
    zones: ZoneTables = field(default_factory=ZoneTables)
    imports: dict[ImportKey, JobRow] = field(default_factory=dict)
    planned: dict[SourceObjectKey, datetime] = field(default_factory=dict)
    queues: QueueTables = field(default_factory=QueueTables)
    freshness: FreshnessTables = field(default_factory=FreshnessTables)
    announced: list[tuple[Practice, datetime]] = field(default_factory=list)

    def copied(self) -> "Tables":
        """The same rows, which may be changed without changing these."""
        return replace(self, **{each.name: copy(getattr(self, each.name)) for each in fields(self)})


class MemoryStore(MemoryQueues, MemorySources):
    """`Store` over tables; it sees one practice, or all when `practice_id` is None."""

    def __init__(
        self,
        tables: Tables,
        *,
        is_simulated: bool,
        real_time: datetime,
        practice_id: PracticeId | None = None,
    ) -> None:
        MemoryQueues.__init__(self, tables.queues, tables.published)
        MemorySources.__init__(self, tables)
        self._tables = tables
        self._is_simulated = is_simulated
        self._real_time = real_time
        self._practice_id = practice_id
        self.parking = MemoryParking(tables.parked, tables.met, tables.awaited)
        self.imports = MemoryImports(tables, real_time)
        self.secrets = MemorySecrets(tables)
        self.rebuilds = MemoryRebuilds(tables, lambda owner: _activities_of(tables, owner))
        self.freshness = MemoryFreshness(tables.freshness, tables.practices, tables.queues)
        self.zones = MemoryZones(tables)

    def hold_time(self) -> datetime | None:
        return self._tables.simulated_at if self._is_simulated else self._real_time

    def real_time(self) -> datetime:
        return self._real_time

    def lock_clock(self) -> datetime | None:
        return self._tables.simulated_at

    def save_clock(self, now: datetime) -> None:
        self._tables.simulated_at = now

    def practices(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Practice]:
        return {
            key: practice
            for key, practice in self._tables.practices.items()
            if key in practice_ids and self._practice_id in {None, key}
        }

    def lock_practice(self, practice_id: PracticeId) -> Practice | None:
        return self.practices({practice_id}).get(practice_id)

    def save_practice(self, practice: Practice) -> None:
        known = self._tables.practices.get(practice.practice_id)
        self._tables.zones.note(known, practice)
        self._tables.practices[practice.practice_id] = practice

    def announce_practice(self, practice: Practice, now: datetime) -> None:
        self._tables.announced.append((practice, now))

    def adopt(self, facts: Sequence[SourceFact]) -> Collection[EventKey]:
        """Those in `Tables.lost`, by event."""
        found = {fact.event_key for fact in facts} & self._tables.lost.keys()
        for fact in facts:
            lost = self._tables.lost.pop(fact.event_key, None)
            if lost is None or fact.identity is None:
                continue
            client_id, object_id = lost
            if (fact.practice_id, client_id) in self._tables.clients:
                self._tables.identities.setdefault(fact.identity, client_id)
            taken = {one.object_id for one in self._tables.objects.values()}
            if object_id is not None and fact.replaced_key is None and object_id not in taken:
                adopted = StoredObject(object_id, fact.identity, is_new=False)
                self._tables.objects.setdefault(fact.object_key, adopted)
        return found

    def lock_objects(
        self, owners: Mapping[SourceObjectKey, IdentityKey | None]
    ) -> Mapping[SourceObjectKey, StoredObject]:
        wanted: set[SourceObjectKey] = set(owners)
        found: dict[SourceObjectKey, StoredObject] = {}
        while wanted > found.keys():
            found |= {key: self._object(key, owners.get(key)) for key in sorted(wanted - {*found})}
            wanted |= related(owners, {key: one.standing for key, one in found.items()})
        return found

    def _object(self, key: SourceObjectKey, owner: IdentityKey | None) -> StoredObject:
        known = self._tables.objects.get(key)
        if known is not None:
            return known._replace(is_new=False)
        created = StoredObject(uuid.uuid4().hex, owner, is_new=True)
        self._tables.objects[key] = created
        return created

    def save_owners(self, owners: Mapping[SourceObjectKey, IdentityKey | None]) -> None:
        for key, owner in owners.items():
            self._tables.objects[key] = self._tables.objects[key]._replace(owner=owner)
        self.parking.meet(key for key, owner in owners.items() if owner is not None)

    def forget_objects(self, keys: Collection[SourceObjectKey]) -> None:
        for key in keys:
            del self._tables.objects[key]

    def lock_clients(
        self, keys: Collection[IdentityKey], now: datetime
    ) -> Mapping[IdentityKey, Client]:
        return {key: self._known(key) or self._create(key, now) for key in sorted(keys)}

    def _known(self, key: IdentityKey) -> Client | None:
        client_id = self._tables.identities.get(key)
        if client_id is None:
            return None
        return self._tables.clients[key.practice_id, client_id]._replace(is_new=False)

    def _create(self, key: IdentityKey, now: datetime) -> Client:
        client_id = ClientId(f"client-{len(self._tables.clients) + 1}")
        zone = self._tables.practices[key.practice_id].zone
        client = Client(client_id, 1, 0, is_registered=False, is_new=True, zone=zone)
        self._tables.identities[key] = client_id
        self._tables.clients[key.practice_id, client_id] = client
        self._tables.known_since[key.practice_id, client_id] = now
        return client

    def save_sequences(self, sequences: Mapping[ClientKey, int]) -> None:
        for key, sequence in sequences.items():
            client = self._tables.clients[key]
            self._tables.clients[key] = client._replace(last_sequence=sequence)

    def save_standings(self, standings: Mapping[SourceObjectKey, Standing]) -> None:
        for key, standing in standings.items():
            known = self._tables.objects[key]
            self._tables.objects[key] = known._replace(standing=standing)

    def mark_registered(self, registration: Activity) -> None:
        key = (registration.owner.practice_id, registration.owner.client_id)
        client, sequence = self._tables.clients[key], registration.sequence
        self._tables.clients[key] = client._replace(last_sequence=sequence, is_registered=True)
        self._tables.registrations[key] = registration

    def hashes(self, keys: Collection[EventKey]) -> Mapping[EventKey, bytes]:
        ledger = self._tables.ledger
        return {key: ledger[key].content_hash for key in keys if key in ledger}

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        for entry in entries:
            key = entry.fact.event_key
            assert key not in self._tables.ledger, "an event is in the ledger once"
            self._tables.ledger[key] = entry

    def publish(self, activities: Sequence[Activity]) -> None:
        self._tables.published.extend(activities)
        self._tables.said.extend(activities)

    def publish_care(self, words: Sequence[CareWord]) -> None:
        counts, known = how_many(words), how_many(self._tables.care)
        last = {client: known.get(client, 0) + count for client, count in counts.items()}
        self._tables.care.extend(in_sequence(words, last))


class MemoryStores:
    """`Stores` over `tables`, whose transactions run one after another; `real_time` may be set."""

    def __init__(self, *, is_simulated: bool = False) -> None:
        self.tables = Tables()
        self.real_time = NOON
        self._is_simulated = is_simulated

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        """Tables to change: they become `tables` at the end, and are dropped by any exception."""
        tables = self.tables.copied()
        yield tables
        self.tables = tables

    def within(self, tx: Tables, practice_id: PracticeId | None = None) -> MemoryStore:
        return MemoryStore(
            tx,
            is_simulated=self._is_simulated,
            real_time=self.real_time,
            practice_id=practice_id,
        )

    @contextmanager
    def open(self, practice_id: PracticeId) -> Iterator[MemoryStore]:
        with self.transaction() as tables:
            yield self.within(tables, practice_id)

    @contextmanager
    def open_for_operator(self) -> Iterator[MemoryStore]:
        with self.transaction() as tables:
            yield self.within(tables)


class MemoryReads(MemorySourceReads):
    """`Reads` over the tables of a `MemoryStores`; nothing is published from them."""

    def __init__(self, stores: MemoryStores) -> None:
        super().__init__(lambda: stores.tables)
        self._stores = stores

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        practices = self._stores.tables.practices
        keys = [key for key in sorted(practices) if practice_id in {None, key}]
        return [practices[key] for key in keys if key > (after or "")][:limit]

    def list_clients(self, practice_id: PracticeId, after: str, limit: int) -> list[KnownClient]:
        known = self._known_clients(practice_id)
        return [known[client_id] for client_id in sorted(known) if client_id > after][:limit]

    def clients(
        self, practice_id: PracticeId, client_ids: Collection[ClientId]
    ) -> Mapping[ClientId, KnownClient]:
        known = self._known_clients(practice_id)
        return {client_id: known[client_id] for client_id in client_ids if client_id in known}

    def client_ids(
        self, practice_id: PracticeId, keys: Collection[IdentityKey]
    ) -> Mapping[IdentityKey, ClientId]:
        known = self._stores.tables.identities
        return {key: known[key] for key in keys if key in known and key.practice_id == practice_id}

    def _known_clients(self, practice_id: PracticeId) -> dict[ClientId, KnownClient]:
        tables = self._stores.tables
        identities = sorted(tables.identities.items())
        return {
            client_id: KnownClient(
                client_id,
                tables.known_since[owner, client_id],
                client.is_registered,
                [key for key, of in identities if (key.practice_id, of) == (owner, client_id)],
            )
            for (owner, client_id), client in tables.clients.items()
            if owner == practice_id
        }

    def activities(
        self, practice_id: PracticeId, client_id: ClientId, after: int, limit: int
    ) -> list[Activity] | None:
        tables = self._stores.tables
        client = tables.clients.get((practice_id, client_id))
        if client is None:
            return None
        practice = tables.practices[practice_id]
        owner = ActivityOwner(
            practice_id, client_id, client.generation, client.zone, practice.currency
        )
        found = _activities_of(tables, owner)
        return [activity for activity in found if activity.sequence > after][:limit]

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]:
        entries = self._ledger(practice_id)
        by_source = {
            source: [entry for entry in entries if entry.fact.source == source]
            for source in sorted({entry.fact.source for entry in entries})
        }
        parked = self._stores.tables.parked.values()
        waiting = [one for one in parked if one.fact.practice_id == practice_id]
        names = by_source.keys() | {one.fact.source for one in waiting}
        return [
            _progress(
                source,
                by_source.get(source, []),
                [one for one in waiting if one.fact.source == source],
            )
            for source in sorted(names)
        ]

    def package(self, practice_id: PracticeId, source: str, package_id: str) -> KnownPackage | None:
        key = SourceObjectKey(practice_id, source, "package", package_id)
        known = self._stores.tables.objects.get(key)
        if known is None or known.standing.package is None:
            return None
        owner = owner_of(key, known.standing)
        whose = None if owner is None else self._stores.tables.identities.get(owner)
        return known_package(known.standing, whose)

    def clock(self) -> ClockReading:
        return ClockReading(self._stores.tables.simulated_at, None)

    def _ledger(self, practice_id: PracticeId) -> list[LedgerEntry]:
        ledger = self._stores.tables.ledger.values()
        told = [entry for entry in ledger if entry.fact.kind != "moved"]
        return [entry for entry in told if entry.fact.practice_id == practice_id]


def _progress(source: str, sent: list[LedgerEntry], parked: list[Parked]) -> SourceProgress:
    return SourceProgress(
        source,
        len(sent),
        max((entry.fact.occurred_at for entry in sent), default=None),
        max((entry.accepted_at for entry in sent), default=None),
        len(parked),
        min((one.parked_at for one in parked), default=None),
    )


def _activities_of(tables: Tables, owner: ActivityOwner) -> list[Activity]:
    """All activities of a client that were published, in their order."""
    known = tables.registrations.get((owner.practice_id, owner.client_id))
    found = [] if known is None else [_registered_again(known, owner)]
    entries = map(tables.zones.as_told, tables.ledger.values())
    for fact, _, object_id, whose, accepted_at, first, deltas in entries:
        if (fact.practice_id, whose) == (owner.practice_id, owner.client_id):
            found += caused(fact, object_id, owner, deltas, first, accepted_at)
    return sorted(found, key=lambda activity: activity.sequence)


def _registered_again(known: Activity, owner: ActivityOwner) -> Activity:
    return registered(owner, known.sequence, known.accepted_at, known.delta.on)
