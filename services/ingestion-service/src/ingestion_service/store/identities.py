"""The identities of clients: found, attached, and awaited by what is parked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId, SourceFact
from ingestion_service.ports import Sealer
from ingestion_service.store import parking
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch
from rapport_runtime.errors import TryLater

_IDENTITIES: Final = """
    SELECT found.* FROM unnest(%(practice_id)b::text[], %(namespace)b::text[],
        %(external_id)b::text[]) AS wanted(practice_id, namespace, external_id),
    LATERAL (
        SELECT practice_id, namespace, external_id, client_id FROM identity
        WHERE identity.practice_id = wanted.practice_id
          AND identity.namespace = wanted.namespace
          AND identity.external_id = wanted.external_id
        OFFSET 0
    ) found
"""
_HOLD: Final = """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('identities ' || practice_id, 0))
    FROM (
        SELECT practice_id FROM unnest(%(practice_ids)b::text[]) AS held(practice_id)
        ORDER BY practice_id
    ) AS held
"""
_TAKE: Final = """
    SELECT pg_advisory_xact_lock(hashtextextended('identities ' || %(practice_id)b, 0))
"""
# In the order of the keys, as clients are created: no two wait for each other.
_ATTACH: Final = """
    INSERT INTO identity (practice_id, namespace, external_id, client_id)
    SELECT practice_id, namespace, external_id, %(client_id)b
    FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
        AS attached(practice_id, namespace, external_id)
    ON CONFLICT DO NOTHING
    RETURNING external_id
"""
_AWAIT: Final = """
    INSERT INTO awaited_client (practice_id, namespace, external_id, source, event_id)
    SELECT * FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[],
        %(source)b::text[], %(event_id)b::text[])
    ON CONFLICT DO NOTHING
"""
_MEET: Final = """
    WITH met AS (
        DELETE FROM awaited_client
        USING unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
            AS known(practice_id, namespace, external_id)
        WHERE awaited_client.practice_id = known.practice_id
          AND awaited_client.namespace = known.namespace
          AND awaited_client.external_id = known.external_id
        RETURNING awaited_client.practice_id, awaited_client.source, awaited_client.event_id
    )
    UPDATE parked SET is_met = true FROM met
    WHERE parked.practice_id = met.practice_id AND parked.source = met.source
      AND parked.event_id = met.event_id
"""


def known(tx: sa.Connection, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, ClientId]:
    """See `SourceStore.identities`."""
    rows = fetch(tx, _IDENTITIES, arrays(IdentityKey._fields, keys), prepare=False)
    return {
        IdentityKey(row.practice_id, row.namespace, row.external_id): row.client_id for row in rows
    }


def hold(tx: sa.Connection, practice_ids: Collection[PracticeId]) -> None:
    """See `SourceStore.hold_identities`."""
    execute(tx, _HOLD, {"practice_ids": list(practice_ids)}, prepare=False)


def take(tx: sa.Connection, practice_id: PracticeId) -> None:
    """See `SourceStore.take_identities`."""
    execute(tx, _TAKE, {"practice_id": practice_id}, prepare=False)


def attach(tx: sa.Connection, keys: Collection[IdentityKey], client_id: ClientId) -> None:
    """See `SourceStore.attach`."""
    if not keys:
        return
    parameters = arrays(IdentityKey._fields, sorted(keys)) | {"client_id": client_id}
    if len(fetch(tx, _ATTACH, parameters, prepare=False)) < len(keys):
        msg = "one of these identities has been given a client at this moment"
        raise TryLater(msg)


def wait(tx: sa.Connection, facts: Sequence[SourceFact], now: datetime, sealer: Sealer) -> None:
    """See `SourceStore.await_clients`."""
    parking.park(tx, facts, now, sealer)
    parameters = arrays(IdentityKey._fields, [fact.client for fact in facts])
    parameters["source"] = [fact.source for fact in facts]
    parameters["event_id"] = [fact.event_id for fact in facts]
    execute(tx, _AWAIT, parameters, prepare=False)


def meet(tx: sa.Connection, keys: Collection[IdentityKey]) -> None:
    """See `SourceStore.meet_clients`."""
    execute(tx, _MEET, arrays(IdentityKey._fields, sorted(keys)), prepare=False)
