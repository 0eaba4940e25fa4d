"""Postgres as the use cases see it: set-based statements in the caller's transaction.

Arrays go as binary parameters to the driver connection (PERFORMANCE §1: twice the rate of text).
COPY cannot write a table under row-level security, and a temporary table in between gained less
than a tenth here. Statements are planned each time with their real arrays: a plan that was kept
from when the tables were empty would read the whole ledger for every batch.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from psycopg import errors

from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import Client, LedgerEntry
from ingestion_service.translate import record_of_activity, record_of_practice
from rapport_runtime.database import execute, fetch
from rapport_runtime.errors import TryLater
from rapport_runtime.stream import outbox

_PRACTICES: Final = """
    SELECT practice_id, name, zone, currency FROM practice WHERE practice_id = ANY(%b::text[])
"""
_LOCK_PRACTICE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('practice ' || %b, 0))"
_SAVE_PRACTICE: Final = """
    INSERT INTO practice (practice_id, name, zone, currency)
    VALUES (%b, %b, %b, %b)
    ON CONFLICT (practice_id) DO UPDATE SET name = excluded.name
"""
# Arrays come sorted by key, and rows are locked and made in that order, so that two workers do not
# deadlock. The lock is on the client's row, which a waiting worker then reads as the other left it.
_LOCK_CLIENTS: Final = """
    SELECT wanted.*, c.*
    FROM unnest(%b::text[], %b::text[], %b::text[]) AS wanted(practice_id, source, external_id),
    LATERAL (
        SELECT client.client_id, generation, last_sequence, registered_at IS NOT NULL
        FROM identity JOIN client USING (practice_id, client_id)
        WHERE identity.practice_id = wanted.practice_id AND identity.source = wanted.source
          AND identity.external_id = wanted.external_id
        FOR UPDATE OF client
    ) c
"""
_MAKE_CLIENTS: Final = """
    WITH made AS (
        INSERT INTO identity (practice_id, source, external_id, client_id)
        SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[])
        ON CONFLICT DO NOTHING
        RETURNING practice_id, client_id
    )
    INSERT INTO client (practice_id, client_id, generation, last_sequence, known_since)
    SELECT practice_id, client_id, 1, 0, %b::timestamptz FROM made
    RETURNING client_id
"""
_SAVE_SEQUENCES: Final = """
    UPDATE client SET last_sequence = moved.last_sequence
    FROM unnest(%b::text[], %b::text[], %b::bigint[])
        AS moved(practice_id, client_id, last_sequence)
    WHERE client.practice_id = moved.practice_id AND client.client_id = moved.client_id
"""
_MARK_REGISTERED: Final = """
    UPDATE client SET last_sequence = %b, registered_sequence = %b, registered_at = %b
    WHERE practice_id = %b AND client_id = %b
"""
# OFFSET 0 keeps each look-up below a look-up: without it the planner, before it has statistics,
# sorts or scans the whole ledger for every batch (measured: 130 times slower).
_HASHES: Final = """
    SELECT l.practice_id, l.source, l.event_id, l.content_hash
    FROM unnest(%b::text[], %b::text[], %b::text[]) AS wanted(practice_id, source, event_id),
    LATERAL (
        SELECT * FROM ledger
        WHERE ledger.practice_id = wanted.practice_id AND ledger.source = wanted.source
          AND ledger.event_id = wanted.event_id
        OFFSET 0
    ) l
"""
_HISTORIES: Final = """
    SELECT l.client_id, l.practice_id, l.source, l.event_id, l.external_id, l.subject_kind,
        l.subject_id, l.kind, l.occurred_at, l.starts_at, l.amount_minor, l.currency
    FROM unnest(%b::text[], %b::text[]) AS wanted(client_id, subject_id),
    LATERAL (
        SELECT * FROM ledger
        WHERE ledger.client_id = wanted.client_id AND ledger.subject_id = wanted.subject_id
        OFFSET 0
    ) l
    ORDER BY l.ledger_id
"""
_APPEND: Final = """
    INSERT INTO ledger (practice_id, source, event_id, external_id, subject_kind, subject_id, kind,
        occurred_at, starts_at, amount_minor, currency, content_hash, client_id, accepted_at,
        first_sequence, activities)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
        %b::text[], %b::timestamptz[], %b::timestamptz[], %b::bigint[], %b::text[], %b::bytea[],
        %b::text[], %b::timestamptz[], %b::bigint[], %b::smallint[])
"""


class PostgresIntake:
    """`ports.Intake` within one transaction. Raises what the driver raises, and `TryLater` when
    another worker has just accepted one of the same events."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def practices(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Practice]:
        rows = self._rows(_PRACTICES, [list(practice_ids)])
        return {row[0]: Practice(*row) for row in rows}

    def lock_practice(self, practice_id: PracticeId) -> Practice | None:
        self._rows(_LOCK_PRACTICE, [practice_id])
        return self.practices({practice_id}).get(practice_id)

    def save_practice(self, practice: Practice) -> None:
        self._execute(_SAVE_PRACTICE, practice)

    def announce_practice(self, practice: Practice, now: datetime) -> None:
        outbox.append(self._tx, [record_of_practice(practice, now)])

    def lock_clients(
        self, keys: Collection[IdentityKey], now: datetime
    ) -> Mapping[IdentityKey, Client]:
        wanted = sorted(keys)
        clients = self._lock(wanted)
        missing = [key for key in wanted if key not in clients]
        return clients | self._make(missing, now) if missing else clients

    def _make(self, keys: Sequence[IdentityKey], now: datetime) -> dict[IdentityKey, Client]:
        """Clients for these keys. Whom another transaction has just made is locked as it left
        them; ours are locked by being ours."""
        ids = [ClientId(uuid.uuid4().hex) for _ in keys]
        made = {row[0] for row in self._rows(_MAKE_CLIENTS, [*_columns(keys, 3), ids, now])}
        pairs = zip(keys, ids, strict=True)
        ours = {key: _new(own) for key, own in pairs if own in made}
        others = [key for key in keys if key not in ours]
        return ours | self._lock(others) if others else ours

    def _lock(self, keys: Sequence[IdentityKey]) -> dict[IdentityKey, Client]:
        return {
            IdentityKey(*key): Client(client_id, generation, last, registered, is_new=False)
            for *key, client_id, generation, last, registered in self._rows(
                _LOCK_CLIENTS, _columns(keys, 3)
            )
        }

    def save_sequences(self, sequences: Mapping[tuple[PracticeId, ClientId], int]) -> None:
        columns = _columns(sequences, 2)
        self._execute(_SAVE_SEQUENCES, [*columns, list(sequences.values())])

    def mark_registered(
        self, practice_id: PracticeId, client_id: ClientId, sequence: int, now: datetime
    ) -> None:
        self._execute(_MARK_REGISTERED, [sequence, sequence, now, practice_id, client_id])

    def publish(self, activities: Sequence[Activity]) -> None:
        outbox.append(self._tx, [record_of_activity(activity) for activity in activities])

    def hashes(self, keys: Collection[EventKey]) -> Mapping[EventKey, bytes]:
        return {EventKey(*row[:3]): row[3] for row in self._rows(_HASHES, _columns(keys, 3))}

    def histories(
        self, keys: Collection[SourceObjectKey]
    ) -> Mapping[SourceObjectKey, list[SourceFact]]:
        found: dict[SourceObjectKey, list[SourceFact]] = {key: [] for key in keys}
        pairs = {(key.client_id, key.object_id) for key in keys}
        for client_id, *columns in self._rows(_HISTORIES, _columns(pairs, 2)):
            fact = SourceFact(*columns)
            key = SourceObjectKey(
                fact.practice_id, client_id, fact.source, fact.object_kind, fact.object_id
            )
            if key in found:  # a booking and a payment may bear the same id
                found[key].append(fact)
        return found

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        rows = [(*entry.fact, *entry[1:]) for entry in entries]
        try:
            self._execute(_APPEND, [list(column) for column in zip(*rows, strict=True)])
        except errors.UniqueViolation as error:
            # Both read the ledger before either wrote, for different clients of one event id.
            # No record is to blame: read again, the other's is the original.
            msg = "another worker accepted the same source event at this moment"
            raise TryLater(msg) from error

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return fetch(self._tx, statement, parameters, prepare=False)

    def _execute(self, statement: str, parameters: Sequence[Any]) -> None:
        execute(self._tx, statement, parameters, prepare=False)


def _new(client_id: ClientId) -> Client:
    """What `_MAKE_CLIENTS` makes."""
    return Client(client_id, generation=1, last_sequence=0, is_registered=False, is_new=True)


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into one list a column, `width` of them even when there are no rows."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
