"""`ports.Reads` on Postgres, under row-level security: for one practice or for an operator."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from ingestion_service.domain.activities import Activity, ActivityOwner
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import ClockReading, KnownClient, SourceProgress
from ingestion_service.store.clock import simulated_time
from ingestion_service.store.ledger import ACTIVITY_COLUMNS, activities_of_client
from ingestion_service.store.sources import PostgresSourceReads
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
_OWNER: Final = """
    SELECT c.generation, c.registered_at, c.registered_on, c.registered_sequence, p.zone, p.currency
    FROM client c JOIN practice p USING (practice_id)
    WHERE c.practice_id = %(practice_id)s AND c.client_id = %(client_id)s
"""
# From the fact on that caused the activity after `after`, or the one before it.
_CAUSES: Final = f"""
    SELECT {ACTIVITY_COLUMNS} FROM ledger
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND deltas IS NOT NULL
      AND first_sequence >= (
          SELECT coalesce(max(first_sequence), 0) FROM ledger
          WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
            AND deltas IS NOT NULL AND first_sequence <= %(after)s + 1)
    ORDER BY first_sequence LIMIT %(limit)s
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
            causes = fetch(tx, _CAUSES, parameters)
        if row is None:
            return None
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

    def clock(self) -> ClockReading:
        with self._database.transaction(operator=True) as tx:
            now = simulated_time(tx)
            parameters = {"partitions": CLIENT_ACTIVITY.partitions}
            return ClockReading(now, fetch_value(tx, _PUBLISHED_THROUGH, parameters))


def _known_client(practice_id: PracticeId, row: Any) -> KnownClient:
    identities = [IdentityKey(practice_id, *names) for names in row.identities]
    return KnownClient(row.client_id, row.known_since, row.is_registered, identities)
