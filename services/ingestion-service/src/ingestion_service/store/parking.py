"""Facts that name no client, sealed, until their booking or payment is known.

Each object for which facts wait has a row in `parked_object`, which tells how many they are and
whether the object has an owner by now. It is changed under the object's lock; once the object has
an owner nothing is parked for it any more, and the row belongs to whoever takes it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ingestion_service.domain.facts import (
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.parked import Waiting
from ingestion_service.ports import Sealer
from ingestion_service.ports.parking import Met
from ingestion_service.store import awaited_clients
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch
from rapport_runtime.sealing import place_of

_KEYS: Final = """
    unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[], %(external_id)b::text[])
"""


def _count(number: str, rows: str) -> str:
    """What waits is counted as it comes and goes, so that nobody counts it. Each connection has a
    bucket of its own, mostly: no two wait for each other's count."""
    return f"""
        INSERT INTO parked_count AS known (practice_id, bucket, events)
        SELECT practice_id, pg_backend_pid() %% 64, {number} FROM {rows}
        GROUP BY practice_id ORDER BY practice_id
        ON CONFLICT (practice_id, bucket) DO UPDATE SET events = known.events + excluded.events
    """


_PARK: Final = f"""
    WITH added AS (
        INSERT INTO parked
            (practice_id, source, event_id, kind, external_id, sealed, content_hash, parked_at)
        SELECT *, %(now)b::timestamptz FROM unnest(%(practice_id)b::text[], %(source)b::text[],
            %(event_id)b::text[], %(kind)b::text[], %(external_id)b::text[], %(sealed)b::bytea[],
            %(content_hash)b::bytea[])
        ON CONFLICT DO NOTHING
        RETURNING practice_id, source, kind, external_id
    ), of_objects AS (
        INSERT INTO parked_object AS known
            (practice_id, source, kind, external_id, waiting, oldest_at)
        SELECT practice_id, source, kind, external_id, count(*), %(now)b::timestamptz FROM added
        GROUP BY practice_id, source, kind, external_id
        ON CONFLICT (external_id, kind, source, practice_id) DO UPDATE
        SET waiting = known.waiting + excluded.waiting
    )
    {_count("count(*)", "added")}
"""
_HASHES: Final = """
    SELECT found.practice_id, found.source, found.event_id, found.content_hash
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[])
        AS wanted(practice_id, source, event_id),
    LATERAL (
        SELECT * FROM parked
        WHERE parked.practice_id = wanted.practice_id AND parked.source = wanted.source
          AND parked.event_id = wanted.event_id
        OFFSET 0
    ) found
"""
_OF_OBJECTS: Final = f"""
    SELECT wanted.*, found.waiting FROM {_KEYS} AS wanted(practice_id, source, kind, external_id),
    LATERAL (
        SELECT waiting FROM parked_object
        WHERE parked_object.practice_id = wanted.practice_id
          AND parked_object.source = wanted.source AND parked_object.kind = wanted.kind
          AND parked_object.external_id = wanted.external_id
        OFFSET 0
    ) found
"""
_OF_PRACTICES: Final = """
    SELECT practice_id, sum(events)::bigint AS waiting FROM parked_count
    WHERE practice_id = ANY(%(practice_ids)b::text[]) GROUP BY practice_id
"""
# Under the locks of the objects, as all that parks: so none is parked unseen. A row is made also
# where the release before has parked something, which makes none.
_SAVE_OWNERS: Final = """
    WITH owned AS (
        SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
            %(external_id)b::text[], %(namespace)b::text[], %(owner_external_id)b::text[])
            AS owned(practice_id, source, kind, external_id, namespace, owner_external_id)
    ), met AS (
        INSERT INTO parked_object (practice_id, source, kind, external_id, is_met)
        SELECT practice_id, source, kind, external_id, true FROM owned
        WHERE namespace IS NOT NULL AND EXISTS (
            SELECT FROM parked
            WHERE parked.practice_id = owned.practice_id AND parked.source = owned.source
              AND parked.kind = owned.kind AND parked.external_id = owned.external_id
            OFFSET 0)
        ON CONFLICT (external_id, kind, source, practice_id) DO UPDATE SET is_met = true
    )
    UPDATE source_object SET namespace = owned.namespace,
        owner_external_id = owned.owner_external_id
    FROM owned
    WHERE source_object.practice_id = owned.practice_id
      AND source_object.source = owned.source AND source_object.kind = owned.kind
      AND source_object.external_id = owned.external_id
"""
_NEXT_MET: Final = """
    (SELECT practice_id FROM parked_object WHERE is_met AND practice_id > %(after)b::text
        ORDER BY practice_id LIMIT 1)
    UNION ALL (SELECT practice_id FROM parked_object WHERE is_met ORDER BY practice_id LIMIT 1)
    LIMIT 1
"""
# Whoever else locks such a row has locked its object first; none of them waits for this one here.
_TAKE_MET: Final = """
    SELECT practice_id, source, kind, external_id FROM parked_object
    WHERE is_met AND practice_id = %(practice_id)b::text
    ORDER BY practice_id, external_id, kind, source LIMIT %(limit)b::int
    FOR UPDATE SKIP LOCKED
"""
_PARKED: Final = f"""
    SELECT found.practice_id, found.source, found.event_id, found.sealed
    FROM {_KEYS} WITH ORDINALITY AS wanted(practice_id, source, kind, external_id, place),
    LATERAL (
        SELECT * FROM parked
        WHERE parked.practice_id = wanted.practice_id AND parked.source = wanted.source
          AND parked.kind = wanted.kind AND parked.external_id = wanted.external_id
          AND parked_at < %(before)b::timestamptz
        ORDER BY is_met DESC, parked_at, event_id LIMIT %(of_each)b::int
    ) found
    ORDER BY place LIMIT %(limit)b::int
"""
_OUTLIVED: Final = """
    SELECT practice_id, source, kind, external_id FROM parked_object
    WHERE NOT is_met AND oldest_at < %(before)b::timestamptz
    ORDER BY oldest_at LIMIT %(limit)b::int
"""
_REMOVE: Final = f"""
    WITH gone AS (
        DELETE FROM parked
        USING unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[])
            AS looked_at(practice_id, source, event_id)
        WHERE parked.practice_id = looked_at.practice_id AND parked.source = looked_at.source
          AND parked.event_id = looked_at.event_id
        RETURNING parked.practice_id, parked.source, parked.kind, parked.external_id
    ), of_objects AS (
        UPDATE parked_object SET waiting = parked_object.waiting - fewer.events
        FROM (
            SELECT practice_id, source, kind, external_id, count(*) AS events FROM gone
            GROUP BY practice_id, source, kind, external_id
        ) AS fewer
        WHERE parked_object.practice_id = fewer.practice_id
          AND parked_object.source = fewer.source AND parked_object.kind = fewer.kind
          AND parked_object.external_id = fewer.external_id
    )
    {_count("-count(*)", "gone")}
"""
_OF_THIS_OBJECT: Final = """
    parked.practice_id = looked_at.practice_id AND parked.source = looked_at.source
    AND parked.kind = looked_at.kind AND parked.external_id = looked_at.external_id
"""
_THIS_OBJECT: Final = _OF_THIS_OBJECT.replace("parked.", "parked_object.")
_SETTLE: Final = f"""
    DELETE FROM parked_object
    USING {_KEYS} AS looked_at(practice_id, source, kind, external_id)
    WHERE {_THIS_OBJECT}
      AND NOT EXISTS (SELECT FROM parked WHERE {_OF_THIS_OBJECT} OFFSET 0)
    RETURNING parked_object.practice_id, parked_object.source, parked_object.kind,
        parked_object.external_id
"""
# Of those that have owners nobody asks any more since when they wait.
_AGE: Final = f"""
    UPDATE parked_object SET oldest_at = (
        SELECT parked_at FROM parked WHERE {_OF_THIS_OBJECT} ORDER BY parked_at LIMIT 1)
    FROM {_KEYS} AS looked_at(practice_id, source, kind, external_id)
    WHERE {_THIS_OBJECT} AND NOT is_met
"""
_UNMEET: Final = f"""
    UPDATE parked_object SET is_met = false
    FROM {_KEYS} AS looked_at(practice_id, source, kind, external_id)
    WHERE {_THIS_OBJECT}
"""

_EVER: Final = "infinity"
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(SourceFact).decode


class PostgresParking:
    """`ports.parking.Parking` within one transaction."""

    def __init__(self, tx: sa.Connection, sealer: Sealer) -> None:
        self._tx = tx
        self._sealer = sealer

    def park(self, facts: Sequence[SourceFact], now: datetime) -> None:
        parameters = arrays(EventKey._fields, [fact.event_key for fact in facts])
        parameters["kind"] = [fact.object_kind for fact in facts]
        parameters["external_id"] = [fact.external_object_id for fact in facts]
        parameters["sealed"] = [
            self._sealer.seal(_ENCODE(fact), _sealed_for(fact.event_key)) for fact in facts
        ]
        parameters["content_hash"] = [fact.content_hash for fact in facts]
        execute(self._tx, _PARK, {**parameters, "now": now}, prepare=False)

    def hashes(self, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
        rows = fetch(self._tx, _HASHES, arrays(EventKey._fields, keys), prepare=False)
        return {EventKey(*row[:3]): row.content_hash for row in rows}

    def waiting(self, keys: Collection[SourceObjectKey]) -> Waiting:
        of_objects = fetch(self._tx, _OF_OBJECTS, _of(keys), prepare=False)
        practice_ids = {"practice_ids": list({key.practice_id for key in keys})}
        of_practices = fetch(self._tx, _OF_PRACTICES, practice_ids, prepare=False)
        return Waiting(
            {SourceObjectKey(*row[:4]): row.waiting for row in of_objects},
            {row.practice_id: row.waiting for row in of_practices},
        )

    def next_met(self, after: PracticeId | None) -> PracticeId | None:
        rows = fetch(self._tx, _NEXT_MET, {"after": after or ""}, prepare=False)
        return rows[0].practice_id if rows else None

    def met(self, practice_id: PracticeId, limit: int, of_each: int) -> Met:
        parameters = {"practice_id": practice_id, "limit": limit}
        rows = fetch(self._tx, _TAKE_MET, parameters, prepare=False)
        objects = [SourceObjectKey(*row) for row in rows]
        if not objects:
            return Met([], [])
        return Met(objects, self._parked(objects, _EVER, limit, of_each))

    def outlived(self, before: datetime, limit: int) -> list[SourceObjectKey]:
        parameters = {"before": before, "limit": limit}
        rows = fetch(self._tx, _OUTLIVED, parameters, prepare=False)
        return [SourceObjectKey(*row) for row in rows]

    def parked_before(
        self, keys: Collection[SourceObjectKey], before: datetime, limit: int
    ) -> list[SourceFact]:
        return self._parked(keys, before, limit, limit)

    def await_clients(self, facts: Sequence[SourceFact]) -> None:
        awaited_clients.wait(self._tx, facts)

    def meet_clients(self, keys: Collection[IdentityKey]) -> None:
        awaited_clients.meet(self._tx, keys)

    def unmeet(self, keys: Collection[SourceObjectKey]) -> None:
        if keys:
            execute(self._tx, _UNMEET, _of(keys), prepare=False)

    def remove(self, facts: Collection[SourceFact]) -> None:
        if facts:
            keys = [fact.event_key for fact in facts]
            execute(self._tx, _REMOVE, arrays(EventKey._fields, keys), prepare=False)
            awaited_clients.forget(self._tx, facts)

    def settle(self, keys: Collection[SourceObjectKey]) -> set[SourceObjectKey]:
        rows = fetch(self._tx, _SETTLE, _of(keys), prepare=False)
        execute(self._tx, _AGE, _of(keys), prepare=False)
        return {SourceObjectKey(*row) for row in rows}

    def _parked(
        self, keys: Collection[SourceObjectKey], before: datetime | str, limit: int, of_each: int
    ) -> list[SourceFact]:
        bounds = {"before": before, "limit": limit, "of_each": of_each}
        rows = fetch(self._tx, _PARKED, {**_of(keys), **bounds}, prepare=False)
        places = [_sealed_for(EventKey(*row[:3])) for row in rows]
        return [
            _DECODE(self._sealer.unseal(row.sealed, place))
            for row, place in zip(rows, places, strict=True)
        ]


def save_owners(tx: sa.Connection, owners: Mapping[SourceObjectKey, IdentityKey | None]) -> None:
    """See `Store.save_owners`."""
    parameters = _of(owners) | {
        "namespace": [owner and owner.namespace for owner in owners.values()],
        "owner_external_id": [owner and owner.external_id for owner in owners.values()],
    }
    execute(tx, _SAVE_OWNERS, parameters, prepare=False)


def _of(keys: Collection[SourceObjectKey]) -> dict[str, Any]:
    return arrays(SourceObjectKey._fields, keys)


def _sealed_for(key: EventKey) -> bytes:
    return place_of("parked", *key)
