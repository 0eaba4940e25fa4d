"""`ports.Reads` on Postgres, under row-level security: for one practice or for an operator."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from ingestion_service.domain.activities import Activity, ActivityOwner
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId, SourceObjectKey
from ingestion_service.domain.packages import KnownPackage, known_package, owner_of
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import ClockReading, KnownClient, SourceProgress
from ingestion_service.store import objects
from ingestion_service.store.clock import simulated_time
from ingestion_service.store.ledger import (
    ACTIVITY_COLUMNS,
    OF_CLIENT,
    TOLD_ANEW,
    activities_of_client,
)
from ingestion_service.store.sources import PostgresSourceReads
from ingestion_service.store.zones import ZONE_OF_CLIENT
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.database import Database, fetch, fetch_one, fetch_value

_PRACTICES: Final = f"""
    SELECT {", ".join(Practice._fields)} FROM practice
    WHERE practice_id > %(after)s ORDER BY practice_id LIMIT %(limit)s
"""
_CLIENT_COLUMNS: Final = """
    client_id, known_since, registered_at IS NOT NULL AS is_registered,
    ARRAY(
        SELECT ARRAY[namespace, external_id] FROM identity
        WHERE identity.practice_id = client.practice_id AND identity.client_id = client.client_id
        ORDER BY namespace, external_id
    ) AS identities
"""
_LIST_CLIENTS: Final = f"""
    SELECT {_CLIENT_COLUMNS} FROM client
    WHERE practice_id = %(practice_id)s AND client_id > %(after)s
    ORDER BY client_id LIMIT %(limit)s
"""
_CLIENTS: Final = f"""
    SELECT {_CLIENT_COLUMNS} FROM client
    WHERE practice_id = %(practice_id)s AND client_id = ANY(%(client_ids)s::text[])
"""
_CLIENT_IDS: Final = """
    SELECT namespace, external_id, client_id
    FROM unnest(%(namespaces)s::text[], %(external_ids)s::text[])
        AS wanted(namespace, external_id)
    JOIN identity USING (namespace, external_id)
    WHERE practice_id = %(practice_id)s
"""
_OWNER: Final = f"""
    SELECT generation, client.registered_at, registered_on, registered_sequence, told_anew_through,
        {ZONE_OF_CLIENT} AS zone, practice.currency
    FROM client JOIN practice USING (practice_id)
    WHERE client.practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
# From the fact on that caused the activity after `after`, or the one before it.
_CAUSES: Final = f"""
    SELECT {ACTIVITY_COLUMNS} FROM ledger
    WHERE {OF_CLIENT} AND ledger_id > %(through)s
      AND first_sequence >= (
          SELECT coalesce(max(first_sequence), 0) FROM ledger
          WHERE {OF_CLIENT} AND ledger_id > %(through)s AND first_sequence <= %(after)s + 1)
    ORDER BY first_sequence LIMIT %(limit)s
"""
_CAUSES_TOLD_ANEW: Final = f"""
    {TOLD_ANEW}
    WHERE told.first_sequence >= (
        SELECT coalesce(max(first_sequence), 0) FROM told_anew
        WHERE {OF_CLIENT} AND first_sequence <= %(after)s + 1)
    ORDER BY told.first_sequence LIMIT %(limit)s
"""
_SOURCES: Final = """
    SELECT source, coalesce(events, 0)::bigint AS events, last_occurred_at, last_accepted_at,
        coalesce(parked, 0)::bigint AS parked, parked_since
    FROM (
        SELECT source, sum(events) AS events, max(last_occurred_at) AS last_occurred_at,
            max(last_accepted_at) AS last_accepted_at
        FROM source_count WHERE practice_id = %(practice_id)s GROUP BY source
    ) AS accepted
    FULL JOIN (
        SELECT source, count(*) AS parked, min(parked_at) AS parked_since
        FROM parked WHERE practice_id = %(practice_id)s GROUP BY source
    ) AS waiting USING (source)
    ORDER BY source
"""
_PACKAGE: Final = """
    SELECT standing FROM source_object
    WHERE practice_id = %(practice_id)s AND source = %(source)s AND kind = 'package'
      AND external_id = %(package_id)s AND standing IS NOT NULL
"""
_PUBLISHED_THROUGH: Final = """
    SELECT min(published_through) FROM outbox_watermark HAVING count(*) >= %(partitions)s
"""


class PostgresReads(PostgresSourceReads):
    """`ports.Reads` over one database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        with self._database.transaction(practice_id, operator=practice_id is None) as tx:
            rows = fetch(tx, _PRACTICES, {"after": after or "", "limit": limit})
        return [Practice(*row) for row in rows]

    def list_clients(self, practice_id: PracticeId, after: str, limit: int) -> list[KnownClient]:
        parameters = {"practice_id": practice_id, "after": after, "limit": limit}
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _LIST_CLIENTS, parameters)
        return [_known_client(practice_id, row) for row in rows]

    def clients(
        self, practice_id: PracticeId, client_ids: Collection[ClientId]
    ) -> Mapping[ClientId, KnownClient]:
        parameters = {"practice_id": practice_id, "client_ids": list(client_ids)}
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _CLIENTS, parameters)
        return {row.client_id: _known_client(practice_id, row) for row in rows}

    def client_ids(
        self, practice_id: PracticeId, keys: Collection[IdentityKey]
    ) -> Mapping[IdentityKey, ClientId]:
        parameters = {
            "practice_id": practice_id,
            "namespaces": [key.namespace for key in keys],
            "external_ids": [key.external_id for key in keys],
        }
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _CLIENT_IDS, parameters)
        return {
            IdentityKey(practice_id, row.namespace, row.external_id): row.client_id for row in rows
        }

    def activities(
        self, practice_id: PracticeId, client_id: ClientId, after: int, limit: int
    ) -> list[Activity] | None:
        parameters = {
            "practice_id": practice_id,
            "client_id": client_id,
            "after": after,
            "limit": limit + 1,  # the first may lie before the page
        }
        with self._database.transaction(practice_id) as tx:
            row = fetch_one(tx, _OWNER, parameters)
            if row is None:
                return None
            through = row.told_anew_through or 0
            causes = fetch(tx, _CAUSES_TOLD_ANEW, parameters) if through else []
            causes += fetch(tx, _CAUSES, {**parameters, "through": through})
        owner = ActivityOwner(practice_id, client_id, row.generation, row.zone, row.currency)
        found = activities_of_client(causes, row, owner)
        return [activity for activity in found if activity.sequence > after][:limit]

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]:
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _SOURCES, {"practice_id": practice_id})
        return [
            SourceProgress(
                row.source,
                row.events,
                row.last_occurred_at,
                row.last_accepted_at,
                row.parked,
                row.parked_since,
            )
            for row in rows
        ]

    def package(self, practice_id: PracticeId, source: str, package_id: str) -> KnownPackage | None:
        parameters = {"practice_id": practice_id, "source": source, "package_id": package_id}
        with self._database.transaction(practice_id) as tx:
            kept = fetch_value(tx, _PACKAGE, parameters)
        if kept is None:
            return None
        standing = objects.standing_of(kept)
        owner = owner_of(SourceObjectKey(practice_id, source, "package", package_id), standing)
        client_ids = {} if owner is None else self.client_ids(practice_id, {owner})
        return known_package(standing, None if owner is None else client_ids.get(owner))

    def clock(self) -> ClockReading:
        with self._database.transaction(operator=True) as tx:
            now = simulated_time(tx)
            parameters = {"partitions": CLIENT_ACTIVITY.partitions}
            return ClockReading(now, fetch_value(tx, _PUBLISHED_THROUGH, parameters))


def _known_client(practice_id: PracticeId, row: Any) -> KnownClient:
    identities = [IdentityKey(practice_id, *names) for names in row.identities]
    return KnownClient(row.client_id, row.known_since, row.is_registered, identities)
