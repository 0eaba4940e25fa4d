"""`ports.Store` on Postgres: statements over whole batches, in the caller's transaction.

COPY cannot write a table under row-level security, and a temporary table in between gains less
than a tenth. Statements are planned each time with their real arrays: a plan from the time when
the tables were empty would read the whole ledger for every batch.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from psycopg import errors

from ingestion_service.domain.activities import Activity
from ingestion_service.domain.care import CareWord
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.standings import Standing
from ingestion_service.ports import (
    Client,
    Deferred,
    Hold,
    LedgerEntry,
    Queue,
    Sealer,
    StoredObject,
)
from ingestion_service.ports.sources import Hashing
from ingestion_service.store import care, clock, lost_causes, objects, parking, queues
from ingestion_service.store.arrays import arrays
from ingestion_service.store.freshness import PostgresFreshness
from ingestion_service.store.imports import PostgresImports
from ingestion_service.store.ledger import json_of_attributes, json_of_deltas, json_of_details
from ingestion_service.store.rebuilds import EncodeGeneration, PostgresRebuilds
from ingestion_service.store.secrets import PostgresSecrets
from ingestion_service.store.sources import PostgresSources
from ingestion_service.store.zone_rules import zone_rules
from ingestion_service.store.zones import ZONE_OF_CLIENT, PostgresZones, note_change
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import execute, fetch, real_time
from rapport_runtime.errors import TryLater
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import outbox

_PRACTICES: Final = f"""
    SELECT {", ".join(Practice._fields)} FROM practice
    WHERE practice_id = ANY(%(practice_ids)b::text[])
"""
_LOCK_PRACTICE: Final = """
    SELECT pg_advisory_xact_lock(hashtextextended('practice ' || %(practice_id)b, 0))
"""
_SAVE_PRACTICE: Final = """
    INSERT INTO practice
        (practice_id, name, zone, currency, region, discreet_name, undeclared_sources)
    VALUES (%(practice_id)b, %(name)b, %(zone)b, %(currency)b, %(region)b, %(discreet_name)b,
        %(undeclared_sources)b)
    ON CONFLICT (practice_id) DO UPDATE SET name = excluded.name, zone = excluded.zone,
        region = excluded.region, discreet_name = excluded.discreet_name,
        undeclared_sources = excluded.undeclared_sources
"""
# Arrays come sorted by key, and rows are created and locked in that order. Who locks has created
# whatever it will create, so while one is missing nothing is locked: no two workers wait for each
# other. The lock is on the client's row, which a waiting worker then reads as the other left it.
_LOCK_CLIENTS: Final = f"""
    SELECT wanted.practice_id, wanted.namespace, wanted.external_id,
        found.client_id, found.generation, found.last_sequence, found.is_registered, found.zone
    FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
        AS wanted(practice_id, namespace, external_id),
    LATERAL (
        SELECT client.client_id, generation, last_sequence,
            registered_at IS NOT NULL AS is_registered, {ZONE_OF_CLIENT} AS zone
        FROM identity JOIN client USING (practice_id, client_id)
        WHERE identity.practice_id = wanted.practice_id
          AND identity.namespace = wanted.namespace
          AND identity.external_id = wanted.external_id
        FOR UPDATE OF client
    ) found
    WHERE NOT EXISTS (
        SELECT FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
            AS one(practice_id, namespace, external_id)
        WHERE NOT EXISTS (
            SELECT FROM identity
            WHERE identity.practice_id = one.practice_id AND identity.namespace = one.namespace
              AND identity.external_id = one.external_id
            OFFSET 0
        )
    )
"""
# The practice is locked, so that its zone does not change before these clients can be seen.
_CREATE_CLIENTS: Final = """
    WITH created AS (
        INSERT INTO identity (practice_id, namespace, external_id, client_id)
        SELECT * FROM unnest(%(practice_id)b::text[], %(namespace)b::text[],
            %(external_id)b::text[], %(client_id)b::text[])
        ON CONFLICT DO NOTHING
        RETURNING practice_id, client_id
    )
    INSERT INTO client (practice_id, client_id, generation, last_sequence, known_since, zone)
    SELECT practice_id, client_id, 1, 0, %(known_since)b::timestamptz, practice.zone
    FROM created JOIN practice USING (practice_id)
    FOR SHARE OF practice
    RETURNING client_id, zone
"""
_SAVE_SEQUENCES: Final = """
    UPDATE client SET last_sequence = advanced.last_sequence
    FROM unnest(%(practice_id)b::text[], %(client_id)b::text[], %(last_sequence)b::bigint[])
        AS advanced(practice_id, client_id, last_sequence)
    WHERE client.practice_id = advanced.practice_id AND client.client_id = advanced.client_id
"""
_MARK_REGISTERED: Final = """
    UPDATE client SET last_sequence = %(sequence)b, registered_sequence = %(sequence)b,
        registered_at = %(now)b, registered_on = %(on)b
    WHERE practice_id = %(practice_id)b AND client_id = %(client_id)b
"""
# OFFSET 0 keeps each look-up below a look-up: without it the planner, before it has statistics,
# sorts or scans the whole ledger for every batch (measured: 130 times slower).
_HASHES: Final = """
    SELECT found.practice_id, found.source, found.event_id, found.content_hash
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[])
        AS wanted(practice_id, source, event_id),
    LATERAL (
        SELECT * FROM ledger
        WHERE ledger.practice_id = wanted.practice_id AND ledger.source = wanted.source
          AND ledger.event_id = wanted.event_id
        OFFSET 0
    ) found
"""
# A source's events are counted as they come, so that nobody counts its ledger. Each connection has
# a bucket of its own, mostly: no two wait for each other's count. In the order of the keys, so that
# those which share one do not deadlock.
_APPEND: Final = """
    WITH appended AS (
        INSERT INTO ledger (practice_id, source, event_id, namespace, external_id, object_id, kind,
            occurred_at, starts_at, amount_minor, currency, attributes, backfill, details,
            content_hash, client_id, accepted_at, first_sequence, deltas, zone_rules)
        SELECT *, %(zone_rules)b::text
        FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[],
            %(namespace)b::text[], %(external_id)b::text[], %(object_id)b::text[],
            %(kind)b::text[], %(occurred_at)b::timestamptz[], %(starts_at)b::timestamptz[],
            %(amount_minor)b::bigint[], %(currency)b::text[], %(attributes)b::text[]::jsonb[],
            %(backfill)b::boolean[], %(details)b::text[]::jsonb[], %(content_hash)b::bytea[],
            %(client_id)b::text[],
            %(accepted_at)b::timestamptz[], %(first_sequence)b::bigint[],
            %(deltas)b::text[]::jsonb[])
        RETURNING practice_id, source, kind, occurred_at, accepted_at
    )
    INSERT INTO source_count AS known
        (practice_id, source, bucket, events, last_occurred_at, last_accepted_at)
    SELECT practice_id, source, pg_backend_pid() %% 64, count(*) FILTER (WHERE kind <> 'moved'),
        max(occurred_at), max(accepted_at)
    FROM appended GROUP BY practice_id, source ORDER BY practice_id, source
    ON CONFLICT (practice_id, source, bucket) DO UPDATE SET
        events = known.events + excluded.events,
        last_occurred_at = greatest(known.last_occurred_at, excluded.last_occurred_at),
        last_accepted_at = greatest(known.last_accepted_at, excluded.last_accepted_at)
"""


@dataclass(frozen=True)
class Encoders:
    """Make the outbox's records: of an activity, of a practice announced at an instant, of a hold,
    for each partition, of a generation with the activities that it begins with, and of a signal of
    care; all with the incarnation of the database."""

    activity: Callable[[Activity, str], Outgoing]
    practice: Callable[[Practice, datetime, str], Outgoing]
    hold: Callable[[Hold, str], Sequence[Outgoing]]
    generation: EncodeGeneration
    care: Callable[[CareWord, str], Outgoing]


class PostgresStore(PostgresSources):
    """`ports.Store` within one transaction.

    Raises psycopg.Error, and `TryLater` when another worker has just accepted one of the same
    events.
    """

    def __init__(
        self,
        tx: sa.Connection,
        encoders: Encoders,
        sealer: Sealer,
        *,
        is_simulated: bool,
        personal: Hashing | None = None,
    ) -> None:
        super().__init__(tx, sealer, personal)
        self._encoders = encoders
        self._is_simulated = is_simulated
        self.rebuilds = PostgresRebuilds(tx, encoders.generation)
        self.parking = parking.PostgresParking(tx, sealer)
        self.freshness = PostgresFreshness(tx)
        self.zones = PostgresZones(tx)
        self.imports = PostgresImports(tx)
        self.secrets = PostgresSecrets(tx, sealer)

    def hold_time(self) -> datetime | None:
        return clock.hold_simulated_time(self._tx) if self._is_simulated else self.real_time()

    def real_time(self) -> datetime:
        return real_time(self._tx)

    def lock_clock(self) -> datetime | None:
        return clock.lock_simulated_time(self._tx)

    def save_clock(self, now: datetime) -> None:
        clock.save_simulated_time(self._tx, now)

    def practices(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Practice]:
        rows = self._fetch(_PRACTICES, {"practice_ids": list(practice_ids)})
        return {row.practice_id: Practice(*row) for row in rows}

    def lock_practice(self, practice_id: PracticeId) -> Practice | None:
        self._execute(_LOCK_PRACTICE, {"practice_id": practice_id})
        return self.practices({practice_id}).get(practice_id)

    def save_practice(self, practice: Practice) -> None:
        note_change(self._tx, practice.practice_id, practice.zone)
        self._execute(_SAVE_PRACTICE, practice._asdict())

    def announce_practice(self, practice: Practice, now: datetime) -> None:
        digits = incarnation.current(self._tx)
        outbox.append(self._tx, [self._encoders.practice(practice, now, digits)])

    def adopt(self, facts: Sequence[SourceFact]) -> Collection[EventKey]:
        return lost_causes.adopt(self._tx, facts)

    def lock_objects(
        self, owners: Mapping[SourceObjectKey, IdentityKey | None]
    ) -> Mapping[SourceObjectKey, StoredObject]:
        return objects.lock(self._tx, owners)

    def save_owners(self, owners: Mapping[SourceObjectKey, IdentityKey | None]) -> None:
        parking.save_owners(self._tx, owners)

    def forget_objects(self, keys: Collection[SourceObjectKey]) -> None:
        objects.forget(self._tx, keys)

    def lock_clients(
        self, keys: Collection[IdentityKey], now: datetime
    ) -> Mapping[IdentityKey, Client]:
        wanted = sorted(keys)
        if clients := self._lock(wanted):
            return clients
        created = self._create(wanted, now)
        others = [key for key in wanted if key not in created]
        return created | self._lock(others) if others else created

    def _lock(self, keys: Sequence[IdentityKey]) -> dict[IdentityKey, Client]:
        """The clients of sorted keys, locked; none, and no lock, when one of them is missing."""
        rows = self._fetch(_LOCK_CLIENTS, arrays(IdentityKey._fields, keys))
        return {
            IdentityKey(row.practice_id, row.namespace, row.external_id): Client(
                row.client_id,
                row.generation,
                row.last_sequence,
                row.is_registered,
                is_new=False,
                zone=row.zone,
            )
            for row in rows
        }

    def _create(self, keys: Sequence[IdentityKey], now: datetime) -> dict[IdentityKey, Client]:
        """The clients of those of the sorted keys that had none; locked, because nobody else can
        see them yet. Waits for another transaction that has just created one of them."""
        ids = [ClientId(uuid.uuid4().hex) for _ in keys]
        parameters = arrays(IdentityKey._fields, keys) | {"client_id": ids, "known_since": now}
        created = {row.client_id: row.zone for row in self._fetch(_CREATE_CLIENTS, parameters)}
        pairs = zip(keys, ids, strict=True)
        return {key: _created_client(own, created[own]) for key, own in pairs if own in created}

    def save_sequences(self, sequences: Mapping[tuple[PracticeId, ClientId], int]) -> None:
        clients = arrays(("practice_id", "client_id"), sequences)
        self._execute(_SAVE_SEQUENCES, clients | {"last_sequence": list(sequences.values())})

    def save_standings(self, standings: Mapping[SourceObjectKey, Standing]) -> None:
        objects.save(self._tx, standings)

    def mark_registered(self, registration: Activity) -> None:
        parameters = {
            "practice_id": registration.owner.practice_id,
            "client_id": registration.owner.client_id,
            "sequence": registration.sequence,
            "now": registration.accepted_at,
            "on": registration.delta.on,
        }
        self._execute(_MARK_REGISTERED, parameters)

    def hashes(self, keys: Collection[EventKey]) -> Mapping[EventKey, bytes]:
        rows = self._fetch(_HASHES, arrays(EventKey._fields, keys))
        return {
            EventKey(row.practice_id, row.source, row.event_id): row.content_hash for row in rows
        }

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        parameters = arrays(LedgerEntry._fields, entries)
        parameters |= arrays(SourceFact._fields, parameters.pop("fact"))
        parameters["attributes"] = [json_of_attributes(each) for each in parameters["attributes"]]
        parameters["details"] = [json_of_details(each) for each in parameters["details"]]
        parameters["deltas"] = [json_of_deltas(each) for each in parameters["deltas"]]
        parameters["zone_rules"] = zone_rules()
        try:
            self._execute(_APPEND, parameters)
        except errors.UniqueViolation as error:
            # Two workers accepted the same event id at once. After a retry this one sees a
            # duplicate.
            msg = "another worker accepted the same source event at this moment"
            raise TryLater(msg) from error

    def publish(self, activities: Sequence[Activity]) -> None:
        if activities:
            digits, encode = incarnation.current(self._tx), self._encoders.activity
            outbox.append(self._tx, [encode(activity, digits) for activity in activities])

    def publish_care(self, words: Sequence[CareWord]) -> None:
        digits, encode = incarnation.current(self._tx), self._encoders.care
        outbox.append(self._tx, [encode(word, digits) for word in care.number(self._tx, words)])

    def lock_queues(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Queue]:
        return queues.lock(self._tx, practice_ids)

    def try_lock_queue(self, practice_id: PracticeId) -> Queue | None:
        return queues.try_lock(self._tx, practice_id)

    def open_queues(
        self, practice_ids: Collection[PracticeId], now: datetime
    ) -> Mapping[PracticeId, Queue]:
        return queues.open_all(self._tx, practice_ids, now)

    def count_queues(self) -> int:
        return queues.count(self._tx)

    def next_queues(self, limit: int) -> list[PracticeId]:
        return queues.next_practices(self._tx, limit)

    def unannounced_queues(self) -> list[PracticeId]:
        return queues.unannounced(self._tx)

    def announce_holds(self, holds: Sequence[Hold]) -> None:
        digits, encode = incarnation.current(self._tx), self._encoders.hold
        outbox.append(self._tx, [record for hold in holds for record in encode(hold, digits)])

    def note_announced(self, practice_ids: Collection[PracticeId]) -> None:
        queues.note_announced(self._tx, practice_ids)

    def defer(self, records: Sequence[tuple[PracticeId, SourceRecord]], now: datetime) -> None:
        queues.defer(self._tx, records, now, self._sealer)

    def deferred(self, practice_id: PracticeId, limit: int) -> list[Deferred]:
        return queues.first(self._tx, practice_id, limit, self._sealer)

    def save_turn(
        self, practice_id: PracticeId, *, last: int, taken: int, stands_at: datetime
    ) -> None:
        queues.save_turn(self._tx, practice_id, last=last, taken=taken, stands_at=stands_at)

    def close_queue(self, practice_id: PracticeId) -> None:
        queues.close(self._tx, practice_id)

    def pass_turn(self, practice_id: PracticeId) -> None:
        queues.pass_turn(self._tx, practice_id)

    def _fetch(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        return fetch(self._tx, statement, parameters, prepare=False)

    def _execute(self, statement: str, parameters: Mapping[str, Any]) -> None:
        execute(self._tx, statement, parameters, prepare=False)


def _created_client(client_id: ClientId, zone: str) -> Client:
    """What `_CREATE_CLIENTS` creates."""
    return Client(
        client_id, generation=1, last_sequence=0, is_registered=False, is_new=True, zone=zone
    )
