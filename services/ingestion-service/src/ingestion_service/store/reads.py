"""`ports.Reads` on Postgres, under row-level security: for one practice or for an operator."""

from typing import Final

from ingestion_service.domain.activities import ActivityOwner
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import ClientHistory, ClockReading, KnownClient, SourceProgress
from ingestion_service.store.clock import simulated_time
from ingestion_service.store.ledger import ENTRY_COLUMNS, entry_of_row
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.database import Database, fetch, fetch_one, fetch_value

_PRACTICES: Final = """
    SELECT practice_id, name, zone, currency FROM practice
    WHERE practice_id > %(after)s ORDER BY practice_id LIMIT %(limit)s
"""
_CLIENT: Final = """
    SELECT client_id, namespace, external_id FROM identity
    WHERE practice_id = %(practice_id)s AND namespace = %(namespace)s
      AND external_id = %(external_id)s
"""
_OWNER: Final = """
    SELECT c.generation, c.registered_at, c.registered_sequence, p.zone, p.currency
    FROM client c JOIN practice p USING (practice_id)
    WHERE c.practice_id = %(practice_id)s AND c.client_id = %(client_id)s
"""
_LEDGER: Final = f"""
    SELECT {ENTRY_COLUMNS}
    FROM ledger WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
    ORDER BY ledger_id
"""
_SOURCES: Final = """
    SELECT source, count(*) AS events, max(occurred_at) AS last_occurred_at,
        max(accepted_at) AS last_accepted_at
    FROM ledger WHERE practice_id = %(practice_id)s GROUP BY source ORDER BY source
"""
_PUBLISHED_THROUGH: Final = """
    SELECT min(published_through) FROM outbox_watermark HAVING count(*) >= %(partitions)s
"""


class PostgresReads:
    """`ports.Reads` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        with self._database.transaction(practice_id, operator=practice_id is None) as tx:
            rows = fetch(tx, _PRACTICES, {"after": after or "", "limit": limit})
        return [Practice(row.practice_id, row.name, row.zone, row.currency) for row in rows]

    def client(self, key: IdentityKey) -> KnownClient | None:
        with self._database.transaction(key.practice_id) as tx:
            row = fetch_one(tx, _CLIENT, key._asdict())
        return None if row is None else KnownClient(row.client_id, row.namespace, row.external_id)

    def client_history(self, practice_id: PracticeId, client_id: ClientId) -> ClientHistory | None:
        parameters = {"practice_id": practice_id, "client_id": client_id}
        with self._database.transaction(practice_id) as tx:
            row = fetch_one(tx, _OWNER, parameters)
            entries = [entry_of_row(entry) for entry in fetch(tx, _LEDGER, parameters)]
        if row is None:
            return None
        owner = ActivityOwner(practice_id, client_id, row.generation, row.zone, row.currency)
        return ClientHistory(owner, row.registered_sequence, row.registered_at, entries)

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]:
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _SOURCES, {"practice_id": practice_id})
        return [
            SourceProgress(row.source, row.events, row.last_occurred_at, row.last_accepted_at)
            for row in rows
        ]

    def clock(self) -> ClockReading:
        with self._database.transaction(operator=True) as tx:
            now = simulated_time(tx)
            parameters = {"partitions": CLIENT_ACTIVITY.partitions}
            return ClockReading(now, fetch_value(tx, _PUBLISHED_THROUGH, parameters))
