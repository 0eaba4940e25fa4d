"""What the API shows, read in transactions that see one practice, or as an operator sees."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ingestion_service.domain.activities import (
    Activity,
    ActivityOwner,
    SourceObject,
    caused,
    registered,
)
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId, SourceFact
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import ClockReading, KnownClient, SourceProgress
from ingestion_service.store.clock import simulated_time
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.database import Database

_PRACTICES: Final = sa.text("""
    SELECT practice_id, name, zone, currency FROM practice
    WHERE practice_id > :after ORDER BY practice_id LIMIT :limit
""")
_CLIENT: Final = sa.text("""
    SELECT client_id, source, external_id FROM identity
    WHERE practice_id = :practice_id AND source = :source AND external_id = :external_id
""")
_OWNER: Final = sa.text("""
    SELECT c.generation, c.registered_at, c.registered_sequence, p.zone, p.currency
    FROM client c JOIN practice p USING (practice_id)
    WHERE c.practice_id = :practice_id AND c.client_id = :client_id
""")
_LEDGER: Final = sa.text("""
    SELECT practice_id, source, event_id, external_id, subject_kind, subject_id, kind, occurred_at,
        starts_at, amount_minor, currency, accepted_at, first_sequence
    FROM ledger WHERE practice_id = :practice_id AND client_id = :client_id ORDER BY ledger_id
""")
_SOURCES: Final = sa.text("""
    SELECT source, count(*), max(occurred_at), max(accepted_at) FROM ledger
    WHERE practice_id = :practice_id GROUP BY source ORDER BY source
""")
_PUBLISHED: Final = sa.text("""
    SELECT min(published_through) FROM outbox_watermark HAVING count(*) >= :partitions
""")


class PostgresReads:
    """`ports.Reads`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        with self._database.transaction(practice_id, operator=practice_id is None) as tx:
            rows = tx.execute(_PRACTICES, {"after": after or "", "limit": limit}).all()
        return [Practice(*row) for row in rows]

    def client(self, key: IdentityKey) -> KnownClient | None:
        with self._database.transaction(key.practice_id) as tx:
            row = tx.execute(_CLIENT, key._asdict()).one_or_none()
        return None if row is None else KnownClient(*row)

    def activities(
        self, practice_id: PracticeId, client_id: ClientId, after: int, limit: int
    ) -> list[Activity] | None:
        whose = {"practice_id": practice_id, "client_id": client_id}
        with self._database.transaction(practice_id) as tx:
            found = tx.execute(_OWNER, whose).one_or_none()
            rows = tx.execute(_LEDGER, whose).all()
        if found is None:
            return None
        owner = ActivityOwner(practice_id, client_id, found.generation, found.zone, found.currency)
        known = _recomputed(owner, rows)
        if found.registered_sequence is not None:
            known.append(registered(owner, found.registered_sequence, found.registered_at))
            known.sort(key=lambda activity: activity.sequence)
        return [activity for activity in known if activity.sequence > after][:limit]

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]:
        with self._database.transaction(practice_id) as tx:
            rows = tx.execute(_SOURCES, {"practice_id": practice_id}).all()
        return [SourceProgress(*row) for row in rows]

    def clock(self) -> ClockReading:
        with self._database.transaction(operator=True) as tx:
            now = simulated_time(tx)
            published = tx.execute(_PUBLISHED, {"partitions": CLIENT_ACTIVITY.partitions})
            return ClockReading(now, published.scalar_one_or_none())


def _recomputed(owner: ActivityOwner, rows: Any) -> list[Activity]:
    """Every activity of a client again, from its ledger in the order of acceptance."""
    zone = ZoneInfo(owner.zone)
    source_objects: dict[tuple[str, str, str], SourceObject] = {}
    known: list[Activity] = []
    for *columns, accepted_at, first_sequence in rows:
        fact = SourceFact(*columns)
        key = (fact.source, fact.object_kind, fact.object_id)
        deltas = source_objects.setdefault(key, SourceObject(zone)).fold(fact)
        known.extend(caused(fact, owner, deltas, first_sequence, accepted_at))
    return known
