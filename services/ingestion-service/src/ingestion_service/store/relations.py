"""Who pays for whom, by identities."""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.facts import IdentityKey
from ingestion_service.domain.sources import MOST_PAID_FOR
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch

_SAVE: Final = """
    INSERT INTO relation
        (practice_id, kind, from_namespace, from_external_id, namespace, external_id)
    VALUES (%(practice_id)b, 'payer', %(from_namespace)b, %(from_external_id)b, %(namespace)b,
        %(external_id)b)
    ON CONFLICT DO NOTHING
"""
_PAYERS: Final = f"""
    SELECT wanted.practice_id, from_namespace, from_external_id, found.namespace,
        found.external_id
    FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
        AS wanted(practice_id, from_namespace, from_external_id),
    LATERAL (
        SELECT namespace, external_id FROM relation
        WHERE relation.practice_id = wanted.practice_id AND relation.kind = 'payer'
          AND relation.from_namespace = wanted.from_namespace
          AND relation.from_external_id = wanted.from_external_id
        ORDER BY namespace, external_id LIMIT {MOST_PAID_FOR}
    ) found
"""


def save(tx: sa.Connection, payer: IdentityKey, client: IdentityKey) -> None:
    """See `SourceStore.save_payer`."""
    parameters = client._asdict() | {
        "from_namespace": payer.namespace,
        "from_external_id": payer.external_id,
    }
    execute(tx, _SAVE, parameters, prepare=False)


def payers(
    tx: sa.Connection, keys: Collection[IdentityKey]
) -> Mapping[IdentityKey, list[IdentityKey]]:
    """See `SourceStore.payers`."""
    found: dict[IdentityKey, list[IdentityKey]] = {}
    for row in fetch(tx, _PAYERS, arrays(IdentityKey._fields, keys), prepare=False):
        payer = IdentityKey(row.practice_id, row.from_namespace, row.from_external_id)
        client = IdentityKey(row.practice_id, row.namespace, row.external_id)
        found.setdefault(payer, []).append(client)
    return found
