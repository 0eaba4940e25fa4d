"""Bookings, payments and their parts, by the id that their source gives them: locked, created and
deleted."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from ingestion_service.domain.facts import IdentityKey, SourceObjectKey
from ingestion_service.domain.packages import related
from ingestion_service.domain.standings import Standing
from ingestion_service.ports import StoredObject
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch

# All keys, sorted: first the missing ones are created, then those of others are locked, both in
# that order. Who locks has created whatever it will create, so no two workers wait for each other.
# An object that another worker has just created is waited for here, and locked as it left it.
_CREATE: Final = """
    INSERT INTO source_object
        (practice_id, source, kind, external_id, object_id, namespace, owner_external_id)
    SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
        %(external_id)b::text[], %(object_id)b::text[], %(namespace)b::text[],
        %(owner_external_id)b::text[])
    ON CONFLICT DO NOTHING
    RETURNING object_id
"""
_LOCK: Final = """
    SELECT wanted.place, found.object_id, found.namespace, found.owner_external_id,
        found.standing
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
        %(external_id)b::text[]) WITH ORDINALITY
        AS wanted(practice_id, source, kind, external_id, place),
    LATERAL (
        SELECT object_id, namespace, owner_external_id, standing FROM source_object
        WHERE source_object.practice_id = wanted.practice_id
          AND source_object.source = wanted.source AND source_object.kind = wanted.kind
          AND source_object.external_id = wanted.external_id
        FOR UPDATE
    ) found
"""
_READ: Final = _LOCK.replace("FOR UPDATE", "")
_SAVE: Final = """
    UPDATE source_object SET standing = moved.standing
    FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
        %(external_id)b::text[], %(standing)b::bytea[])
        AS moved(practice_id, source, kind, external_id, standing)
    WHERE source_object.practice_id = moved.practice_id
      AND source_object.source = moved.source AND source_object.kind = moved.kind
      AND source_object.external_id = moved.external_id
"""
# For whom they count is in their standings; here it is found by the client. Few have a row.
_SAVE_MOVED: Final = """
    INSERT INTO moved_payment (practice_id, source, payment_id, namespace, external_id)
    SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(payment_id)b::text[],
        %(namespace)b::text[], %(external_id)b::text[])
    ON CONFLICT (practice_id, source, payment_id) DO UPDATE SET
        namespace = excluded.namespace, external_id = excluded.external_id
"""
_FORGET: Final = """
    DELETE FROM source_object
    USING unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
        %(external_id)b::text[]) AS unused(practice_id, source, kind, external_id)
    WHERE source_object.practice_id = unused.practice_id
      AND source_object.source = unused.source AND source_object.kind = unused.kind
      AND source_object.external_id = unused.external_id
"""
_MOVED: Final = ("practice_id", "source", "payment_id", "namespace", "external_id")

# A few hundred bytes, two thirds of the same as JSON. Fields in their order: new ones come last.
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Standing).decode


def lock(
    tx: sa.Connection, owners: Mapping[SourceObjectKey, IdentityKey | None]
) -> dict[SourceObjectKey, StoredObject]:
    """See `Store.lock_objects`.

    What an object is part of, and which package it names, is only known when it is read. So that
    all are locked in one order, the locks are given back then, and taken again with those that were
    found, and with all that these lead to: however long a chain is, it is locked twice.
    """
    wanted = dict(owners)
    while True:
        attempt = tx.begin_nested()
        found = _create_and_lock(tx, wanted)
        more = _related(owners, found) - wanted.keys()
        if not more:
            attempt.commit()
            return found
        attempt.rollback()
        wanted |= dict.fromkeys(_with_all_related(tx, owners, found, more))


def lock_known(
    tx: sa.Connection, keys: Collection[SourceObjectKey]
) -> dict[SourceObjectKey, StoredObject]:
    """Those of these objects that are known, locked in the same order; and no others."""
    return _read(tx, _LOCK, sorted(keys))


def _related(
    named: Collection[SourceObjectKey], found: Mapping[SourceObjectKey, StoredObject]
) -> set[SourceObjectKey]:
    return related(named, {key: stored.standing for key, stored in found.items()})


def _with_all_related(
    tx: sa.Connection,
    named: Collection[SourceObjectKey],
    found: Mapping[SourceObjectKey, StoredObject],
    more: set[SourceObjectKey],
) -> set[SourceObjectKey]:
    """These objects, and all that they lead to by now, read without locks."""
    known, wanted = dict(found), found.keys() | more
    while more:
        known |= _read(tx, _READ, sorted(more))
        more = _related(named, known) - wanted
        wanted |= more
    return wanted - found.keys()


def _create_and_lock(
    tx: sa.Connection, owners: Mapping[SourceObjectKey, IdentityKey | None]
) -> dict[SourceObjectKey, StoredObject]:
    """The objects of these keys alone."""
    keys = sorted(owners)
    drawn = _random_ids(len(keys))
    parameters = arrays(SourceObjectKey._fields, keys) | {
        "object_id": drawn,
        "namespace": [owner and owner.namespace for owner in map(owners.get, keys)],
        "owner_external_id": [owner and owner.external_id for owner in map(owners.get, keys)],
    }
    created = {row.object_id for row in fetch(tx, _CREATE, parameters, prepare=False)}
    ours = {
        key: StoredObject(object_id, owners[key], is_new=True)
        for key, object_id in zip(keys, drawn, strict=True)
        if object_id in created
    }
    others = [key for key in keys if key not in ours]
    return ours | _read(tx, _LOCK, others) if others else ours


def _read(
    tx: sa.Connection, statement: str, keys: Sequence[SourceObjectKey]
) -> dict[SourceObjectKey, StoredObject]:
    """Those of the objects of sorted keys that are known, by `_LOCK` or `_READ`."""
    found = {}
    for row in fetch(tx, statement, arrays(SourceObjectKey._fields, keys), prepare=False):
        key = keys[row.place - 1]
        owner = None
        if row.namespace is not None:
            owner = IdentityKey(key.practice_id, row.namespace, row.owner_external_id)
        standing = Standing() if row.standing is None else _DECODE(row.standing)
        found[key] = StoredObject(row.object_id, owner, is_new=False, standing=standing)
    return found


def read(
    tx: sa.Connection, keys: Collection[SourceObjectKey]
) -> dict[SourceObjectKey, StoredObject]:
    """See `Imports.objects`."""
    return _read(tx, _READ, sorted(keys))


def _random_ids(count: int) -> list[str]:
    """Each 32 random hexadecimal digits; drawn at once, which is ten times quicker."""
    digits = secrets.token_hex(16 * count)
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def standing_of(kept: bytes) -> Standing:
    """The standing that is kept in a row."""
    return _DECODE(kept)


def save(tx: sa.Connection, standings: Mapping[SourceObjectKey, Standing]) -> None:
    """See `Store.save_standings`."""
    parameters = arrays(SourceObjectKey._fields, standings)
    parameters["standing"] = [_ENCODE(standing) for standing in standings.values()]
    execute(tx, _SAVE, parameters, prepare=False)
    moved = {key: each.counts_for for key, each in standings.items() if each.counts_for}
    if moved:
        rows = [(*key[:2], key.external_id, *whose) for key, whose in sorted(moved.items())]
        execute(tx, _SAVE_MOVED, arrays(_MOVED, rows), prepare=False)


def forget(tx: sa.Connection, keys: Collection[SourceObjectKey]) -> None:
    """See `Store.forget_objects`."""
    execute(tx, _FORGET, arrays(SourceObjectKey._fields, keys), prepare=False)
