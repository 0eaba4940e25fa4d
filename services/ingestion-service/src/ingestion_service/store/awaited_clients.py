"""Which parked facts wait for a client whom nobody knows yet."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.facts import EventKey, IdentityKey, SourceFact
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute

_AWAIT: Final = """
    INSERT INTO awaited_client (practice_id, namespace, external_id, source, event_id)
    SELECT * FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[],
        %(source)b::text[], %(event_id)b::text[])
    ON CONFLICT DO NOTHING
"""
# A practice has 100,000 parked events at the most; of one client they are few.
_MEET: Final = """
    WITH met AS (
        DELETE FROM awaited_client
        USING unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
            AS known(practice_id, namespace, external_id)
        WHERE awaited_client.practice_id = known.practice_id
          AND awaited_client.namespace = known.namespace
          AND awaited_client.external_id = known.external_id
        RETURNING awaited_client.practice_id, awaited_client.source, awaited_client.event_id
    ), first AS (
        UPDATE parked SET is_met = true FROM met
        WHERE parked.practice_id = met.practice_id AND parked.source = met.source
          AND parked.event_id = met.event_id
        RETURNING parked.practice_id, parked.source, parked.kind, parked.external_id
    )
    INSERT INTO parked_object (practice_id, source, kind, external_id, is_met)
    SELECT DISTINCT practice_id, source, kind, external_id, true FROM first
    ORDER BY practice_id, external_id, kind, source
    ON CONFLICT (external_id, kind, source, practice_id) DO UPDATE SET is_met = true
"""
_FORGET: Final = """
    DELETE FROM awaited_client
    USING unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[],
        %(source)b::text[], %(event_id)b::text[])
        AS gone(practice_id, namespace, external_id, source, event_id)
    WHERE awaited_client.practice_id = gone.practice_id
      AND awaited_client.namespace = gone.namespace
      AND awaited_client.external_id = gone.external_id
      AND awaited_client.source = gone.source AND awaited_client.event_id = gone.event_id
"""
_COLUMNS: Final = (*IdentityKey._fields, *EventKey._fields[1:])


def wait(tx: sa.Connection, facts: Collection[SourceFact]) -> None:
    """See `Parking.await_clients`."""
    _of_facts(tx, _AWAIT, facts)


def meet(tx: sa.Connection, keys: Collection[IdentityKey]) -> None:
    """See `Parking.meet_clients`."""
    execute(tx, _MEET, arrays(IdentityKey._fields, sorted(keys)), prepare=False)


def forget(tx: sa.Connection, facts: Collection[SourceFact]) -> None:
    """Nobody waits for the clients of these facts any more because of them."""
    _of_facts(tx, _FORGET, facts)


def _of_facts(tx: sa.Connection, statement: str, facts: Collection[SourceFact]) -> None:
    rows = [(*fact.claimant, *fact.event_key[1:]) for fact in facts if fact.claimant]
    if rows:
        execute(tx, statement, arrays(_COLUMNS, rows), prepare=False)
