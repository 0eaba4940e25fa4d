"""The identities of clients: found, attached, and awaited by what is parked."""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.facts import ClientId, IdentityKey
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import fetch
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
# In the order of the keys, as clients are created: no two wait for each other.
_ATTACH: Final = """
    INSERT INTO identity (practice_id, namespace, external_id, client_id)
    SELECT practice_id, namespace, external_id, %(client_id)b
    FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[])
        AS attached(practice_id, namespace, external_id)
    ON CONFLICT DO NOTHING
    RETURNING external_id
"""


def known(tx: sa.Connection, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, ClientId]:
    """See `SourceStore.identities`."""
    rows = fetch(tx, _IDENTITIES, arrays(IdentityKey._fields, keys), prepare=False)
    return {
        IdentityKey(row.practice_id, row.namespace, row.external_id): row.client_id for row in rows
    }


def attach(tx: sa.Connection, keys: Collection[IdentityKey], client_id: ClientId) -> None:
    """See `SourceStore.attach`."""
    if not keys:
        return
    parameters = arrays(IdentityKey._fields, sorted(keys)) | {"client_id": client_id}
    if len(fetch(tx, _ATTACH, parameters, prepare=False)) < len(keys):
        msg = "one of these identities has been given a client at this moment"
        raise TryLater(msg)
