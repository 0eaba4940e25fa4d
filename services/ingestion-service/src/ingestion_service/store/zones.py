"""Clients whose facts are derived anew for another zone (ADR 54): their history, and what is told
instead."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.derivation import Derived, PastFact
from ingestion_service.domain.errors import Conflict
from ingestion_service.domain.facts import (
    NO_DETAILS,
    OF_PAYMENTS,
    ClientId,
    Details,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.object_batch import Known
from ingestion_service.ports import Client, ClientKey
from ingestion_service.ports.zones import Change, Locked, Turned
from ingestion_service.store import objects
from ingestion_service.store.ledger import json_of_deltas
from rapport_runtime.database import execute, fetch, fetch_one, fetch_pages

PAGE: Final = 2_000
"""So many facts are read, derived and written at once: no side waits long for the other."""

# Of a client without a zone of its own, that which its practice had first.
ZONE_OF_CLIENT: Final = """
    coalesce(client.zone,
        (SELECT first_zone FROM practice_zone
         WHERE practice_zone.practice_id = client.practice_id),
        (SELECT practice.zone FROM practice WHERE practice.practice_id = client.practice_id))
"""
# Before the practice's row is written: who turns clients locks in this order.
_NOTE_CHANGE: Final = """
    INSERT INTO practice_zone (practice_id, first_zone, changed_at)
    SELECT practice_id, zone, clock_timestamp() FROM practice
    WHERE practice_id = %(practice_id)s AND zone <> %(zone)s
    ON CONFLICT (practice_id) DO UPDATE SET changed_at = excluded.changed_at, done_client = NULL
"""
_CHANGES: Final = """
    SELECT practice_id FROM practice_zone
    WHERE changed_at IS NOT NULL ORDER BY changed_at, practice_id LIMIT %(limit)s
"""
_TRY_LOCK: Final = """
    SELECT practice_id, changed_at, done_client FROM practice_zone
    WHERE practice_id = %(practice_id)s AND changed_at IS NOT NULL FOR UPDATE SKIP LOCKED
"""
_MOVE: Final = """
    UPDATE practice_zone SET done_client = %(done)s WHERE practice_id = %(practice_id)s
"""
_END: Final = """
    UPDATE practice_zone SET changed_at = NULL, done_client = NULL
    WHERE practice_id = %(practice_id)s
"""
_NEXT: Final = f"""
    SELECT client_id FROM client
    WHERE practice_id = %(practice_id)s AND client_id > %(after)s
      AND {ZONE_OF_CLIENT} <> (SELECT zone FROM practice WHERE practice_id = %(practice_id)s)
    ORDER BY client_id LIMIT 1
"""
_IDENTITIES: Final = """
    SELECT practice_id, namespace, external_id FROM identity
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
# Its own, and the payments of others that count for it.
_OBJECTS: Final = """
    SELECT source_object.practice_id, source, kind, source_object.external_id
    FROM identity JOIN source_object ON source_object.practice_id = identity.practice_id
        AND source_object.namespace = identity.namespace
        AND source_object.owner_external_id = identity.external_id
    WHERE identity.practice_id = %(practice_id)s AND identity.client_id = %(client_id)s
    UNION
    SELECT moved_payment.practice_id, source, 'payment', payment_id
    FROM identity JOIN moved_payment USING (practice_id, namespace, external_id)
    WHERE identity.practice_id = %(practice_id)s AND identity.client_id = %(client_id)s
"""
_LOCK_CLIENT: Final = f"""
    SELECT client_id, generation, last_sequence, registered_at, registered_sequence,
        {ZONE_OF_CLIENT} AS zone
    FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
    FOR UPDATE OF client
"""
_COLUMNS: Final = """
    ledger_id, source, event_id, namespace, external_id, object_id, kind, occurred_at, starts_at,
    amount_minor, currency, attributes, backfill, details, accepted_at, first_sequence
"""
# Each half by an index of its own: there is none of all rows of a client.
_HISTORY: Final = f"""
    SELECT ledger.*, coalesce(told.first_sequence, ledger.first_sequence) AS sequence
    FROM (
        SELECT {_COLUMNS} FROM ledger
        WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND deltas IS NOT NULL
        UNION ALL
        SELECT {_COLUMNS} FROM ledger
        WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND deltas IS NULL
    ) AS ledger
    LEFT JOIN told_anew AS told ON told.practice_id = %(practice_id)s
        AND told.client_id = %(client_id)s AND told.ledger_id = ledger.ledger_id
    ORDER BY ledger.ledger_id
"""
_KEEP: Final = """
    INSERT INTO told_anew (practice_id, client_id, ledger_id, source, event_id, first_sequence,
        deltas)
    SELECT %(practice_id)s, %(client_id)s, * FROM unnest(%(ledger_id)s::bigint[],
        %(source)s::text[], %(event_id)s::text[], %(first_sequence)s::bigint[],
        %(deltas)s::text[]::jsonb[])
    ON CONFLICT (practice_id, client_id, ledger_id) DO UPDATE SET
        first_sequence = excluded.first_sequence, deltas = excluded.deltas
"""
_TURN: Final = """
    UPDATE client SET zone = %(zone)s, last_sequence = %(facts)s,
        registered_sequence = %(registered)s, registered_on = %(registered_on)s,
        told_anew_through = (
            SELECT max(ledger_id) FROM told_anew
            WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s)
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""


class PostgresZones:
    """`ports.zones.Zones` within one transaction of a worker."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx
        self._keys: Mapping[str, SourceObjectKey] = {}

    def changes(self, limit: int) -> list[PracticeId]:
        return [row.practice_id for row in fetch(self._tx, _CHANGES, {"limit": limit})]

    def try_lock(self, practice_id: PracticeId) -> Change | None:
        row = fetch_one(self._tx, _TRY_LOCK, {"practice_id": practice_id})
        return None if row is None else Change(row.practice_id, row.changed_at, row.done_client)

    def next_client(self, change: Change) -> ClientKey | None:
        parameters = {"practice_id": change.practice_id, "after": change.done or ""}
        row = fetch_one(self._tx, _NEXT, parameters)
        return None if row is None else ClientKey(change.practice_id, row.client_id)

    def move(self, practice_id: PracticeId, done: ClientId | None) -> None:
        execute(self._tx, _MOVE, {"practice_id": practice_id, "done": done})

    def end(self, practice_id: PracticeId) -> None:
        execute(self._tx, _END, {"practice_id": practice_id})

    def lock(self, key: ClientKey) -> Locked | None:
        """Objects are locked before clients, as by who accepts. One that came between the look and
        the lock of the client is found then; the locks are given back, and taken again with it."""
        while True:
            wanted = self._objects(key)
            attempt = self._tx.begin_nested()
            found = objects.lock_known(self._tx, wanted)
            row = fetch_one(self._tx, _LOCK_CLIENT, key._asdict())
            if self._objects(key) <= wanted:
                attempt.commit()
                break
            attempt.rollback()
        if row is None:
            return None
        self._keys = {one.object_id: each for each, one in found.items()}
        client = Client(
            row.client_id,
            row.generation,
            row.last_sequence,
            row.registered_at is not None,
            is_new=False,
            zone=row.zone,
        )
        known = {each: Known(one.object_id, one.standing) for each, one in found.items()}
        identities = {
            IdentityKey._make(each) for each in fetch(self._tx, _IDENTITIES, key._asdict())
        }
        return Locked(client, identities, known, row.registered_sequence, row.registered_at)

    def _objects(self, key: ClientKey) -> set[SourceObjectKey]:
        """The bookings, payments and parts that are of a client, or count for it."""
        return {SourceObjectKey._make(row) for row in fetch(self._tx, _OBJECTS, key._asdict())}

    def history(self, key: ClientKey) -> Iterator[Sequence[PastFact]]:
        for page in fetch_pages(self._tx, _HISTORY, key._asdict(), size=PAGE):
            yield [self._past(key, row) for row in page]

    def _past(self, key: ClientKey, row: Any) -> PastFact:
        about = self._keys.get(row.object_id) or _elsewhere(key, row)
        fact = SourceFact(
            practice_id=key.practice_id,
            source=row.source,
            event_id=row.event_id,
            namespace=row.namespace,
            external_id=row.external_id,
            object_kind=about.kind,
            external_object_id=about.external_id,
            kind=row.kind,
            occurred_at=row.occurred_at,
            starts_at=row.starts_at,
            amount_minor=row.amount_minor,
            currency=row.currency,
            attributes=tuple(sorted((row.attributes or {}).items())),
            backfill=row.backfill,
            details=_details(row.details),
        )
        return PastFact(row.ledger_id, fact, row.accepted_at, row.sequence)

    def keep(self, key: ClientKey, derived: Sequence[Derived]) -> None:
        parameters = {
            **key._asdict(),
            "ledger_id": [each.past.ledger_id for each in derived],
            "source": [each.past.fact.source for each in derived],
            "event_id": [each.past.fact.event_id for each in derived],
            "first_sequence": [each.sequence for each in derived],
            "deltas": [json_of_deltas(each.deltas) for each in derived],
        }
        execute(self._tx, _KEEP, parameters, prepare=False)

    def turn(self, key: ClientKey, turned: Turned) -> None:
        execute(self._tx, _TURN, {**key._asdict(), **turned._asdict()})


def note_change(tx: sa.Connection, practice_id: PracticeId, zone: str) -> None:
    """Note that a practice is about to have another zone, if it is: its clients are to be turned.
    The first of its zones is kept."""
    execute(tx, _NOTE_CHANGE, {"practice_id": practice_id, "zone": zone})


def _elsewhere(key: ClientKey, row: Any) -> SourceObjectKey:
    """What stands for a payment that counts for another client by now, and whose events name
    another one. Raises `Conflict` for anything else that is not the client's."""
    if row.kind not in OF_PAYMENTS:
        detail = "the ledger has a fact about a booking or signal that is not the client's"
        raise Conflict("ledger-contradicts", detail)
    return SourceObjectKey(key.practice_id, row.source, "payment", row.object_id)


def _details(said: Mapping[str, Any] | None) -> Details:
    """What `json_of_details` wrote."""
    if said is None:
        return NO_DETAILS
    at = said.get("cancelled_at")
    return Details(**{**said, "cancelled_at": at and datetime.fromisoformat(at)})
