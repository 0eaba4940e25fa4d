"""Facts that name no client, sealed, until their booking or payment is known."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa

from ingestion_service.domain.facts import EventKey, IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.ports import Sealer
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch
from rapport_runtime.sealing import place_of

_PARK: Final = """
    INSERT INTO parked
        (practice_id, source, event_id, kind, external_id, sealed, content_hash, parked_at)
    SELECT *, %(now)b::timestamptz FROM unnest(%(practice_id)b::text[], %(source)b::text[],
        %(event_id)b::text[], %(kind)b::text[], %(external_id)b::text[], %(sealed)b::bytea[],
        %(content_hash)b::bytea[])
    ON CONFLICT DO NOTHING
"""
_HASHES: Final = """
    SELECT found.practice_id, found.source, found.event_id, found.content_hash
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[])
        AS wanted(practice_id, source, event_id),
    LATERAL (
        SELECT * FROM parked
        WHERE parked.practice_id = wanted.practice_id AND parked.source = wanted.source
          AND parked.event_id = wanted.event_id AND parked.refused IS NULL
        OFFSET 0
    ) found
"""
# Under the locks of the objects, as all that parks: so none is parked unseen.
_SAVE_OWNERS: Final = """
    WITH owned AS (
        SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
            %(external_id)b::text[], %(namespace)b::text[], %(owner_external_id)b::text[])
            AS owned(practice_id, source, kind, external_id, namespace, owner_external_id)
    ), met AS (
        UPDATE parked SET is_met = true FROM owned
        WHERE parked.practice_id = owned.practice_id AND parked.source = owned.source
          AND parked.kind = owned.kind AND parked.external_id = owned.external_id
          AND owned.namespace IS NOT NULL
    )
    UPDATE source_object SET namespace = owned.namespace,
        owner_external_id = owned.owner_external_id
    FROM owned
    WHERE source_object.practice_id = owned.practice_id
      AND source_object.source = owned.source AND source_object.kind = owned.kind
      AND source_object.external_id = owned.external_id
"""
_MET: Final = """
    SELECT practice_id, source, event_id, sealed FROM parked
    WHERE is_met ORDER BY parked_at LIMIT %(limit)b::int FOR UPDATE SKIP LOCKED
"""
_OF_EVENTS: Final = """
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(event_id)b::text[])
        AS looked_at(practice_id, source, event_id)
    WHERE parked.practice_id = looked_at.practice_id AND parked.source = looked_at.source
      AND parked.event_id = looked_at.event_id
"""
_LEAVE: Final = f"UPDATE parked SET is_met = false, refused = %(reason)b::text {_OF_EVENTS}"
_REMOVE: Final = f"DELETE FROM parked USING {_OF_EVENTS.strip().removeprefix('FROM ')}"

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(SourceFact).decode


def park(tx: sa.Connection, facts: Sequence[SourceFact], now: datetime, sealer: Sealer) -> None:
    """See `Store.park`."""
    parameters = arrays(EventKey._fields, [fact.event_key for fact in facts])
    parameters["kind"] = [fact.object_kind for fact in facts]
    parameters["external_id"] = [fact.external_object_id for fact in facts]
    parameters["sealed"] = [
        sealer.seal(_ENCODE(fact), _sealed_for(fact.event_key)) for fact in facts
    ]
    parameters["content_hash"] = [fact.content_hash for fact in facts]
    execute(tx, _PARK, {**parameters, "now": now}, prepare=False)


def hashes(tx: sa.Connection, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
    """See `Store.parked_hashes`."""
    rows = fetch(tx, _HASHES, arrays(EventKey._fields, keys), prepare=False)
    return {EventKey(row.practice_id, row.source, row.event_id): row.content_hash for row in rows}


def save_owners(tx: sa.Connection, owners: Mapping[SourceObjectKey, IdentityKey | None]) -> None:
    """See `Store.save_owners`."""
    parameters = arrays(SourceObjectKey._fields, owners) | {
        "namespace": [owner and owner.namespace for owner in owners.values()],
        "owner_external_id": [owner and owner.external_id for owner in owners.values()],
    }
    execute(tx, _SAVE_OWNERS, parameters, prepare=False)


def met(tx: sa.Connection, limit: int, sealer: Sealer) -> list[SourceFact]:
    """See `Store.met`. Raises what `sealer` raises."""
    rows = fetch(tx, _MET, {"limit": limit}, prepare=False)
    keys = [EventKey(row.practice_id, row.source, row.event_id) for row in rows]
    return [
        _DECODE(sealer.unseal(row.sealed, _sealed_for(key)))
        for row, key in zip(rows, keys, strict=True)
    ]


def leave(tx: sa.Connection, keys: Collection[EventKey], reason: str) -> None:
    """See `Store.leave_parked`."""
    execute(tx, _LEAVE, {**arrays(EventKey._fields, keys), "reason": reason}, prepare=False)


def remove(tx: sa.Connection, keys: Collection[EventKey]) -> None:
    """See `Store.remove_parked`."""
    if keys:
        execute(tx, _REMOVE, arrays(EventKey._fields, keys), prepare=False)


def _sealed_for(key: EventKey) -> bytes:
    return place_of("parked", *key)
