"""What the API shows of the freshness of sources, under row-level security."""

from collections.abc import Sequence
from typing import Any, Final

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.freshness import local_day
from ingestion_service.ports.freshness import OpenHold, ParkedEvent, SourceFreshness, SpokenDay
from ingestion_service.ports.freshness import SourceKey as Key
from rapport_runtime.database import Database, fetch

COUNT_UP_TO: Final = 1_000
"""The largest number of parked events that is counted of a source."""

# The names of the sources of which something is parked are found by a step in the key's index each.
_SOURCES: Final = """
    WITH RECURSIVE parking AS (
        (SELECT source FROM parked WHERE practice_id = %(practice_id)s ORDER BY source LIMIT 1)
        UNION ALL
        SELECT next.source FROM parking, LATERAL (
            SELECT source FROM parked
            WHERE practice_id = %(practice_id)s AND source > parking.source
            ORDER BY source LIMIT 1
        ) AS next
    ), known AS (
        SELECT source FROM source_watch WHERE practice_id = %(practice_id)s
        UNION SELECT source FROM parking
    )
    SELECT known.source, accepted.last_occurred_at, accepted.last_accepted_at, waiting.*,
        watched.silent_since, watched.hold_id, practice.zone,
        coalesce((SELECT simulated_at FROM clock), clock_timestamp()) AS now
    FROM known JOIN practice ON practice.practice_id = %(practice_id)s
    LEFT JOIN source_watch AS watched
        ON watched.practice_id = %(practice_id)s AND watched.source = known.source
    CROSS JOIN LATERAL (
        SELECT max(last_occurred_at) AS last_occurred_at, max(last_accepted_at) AS last_accepted_at
        FROM source_count
        WHERE practice_id = %(practice_id)s AND source_count.source = known.source
    ) AS accepted CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE refused IS NULL) AS parked, min(parked_at) AS parked_since,
            count(refused) AS refused
        FROM (
            SELECT parked_at, refused FROM parked
            WHERE practice_id = %(practice_id)s AND parked.source = known.source
            LIMIT %(count_up_to)s
        ) AS counted
    ) AS waiting
    ORDER BY known.source
"""
_DAYS: Final = """
    SELECT source, day, sum(events)::bigint AS events, max(newest_at) AS newest_at FROM source_day
    WHERE practice_id = %(practice_id)s
    GROUP BY source, day ORDER BY source, day
"""
_PARKED: Final = """
    SELECT source, event_id, kind, external_id, parked_at, refused,
        coalesce((SELECT simulated_at FROM clock), clock_timestamp()) - parked_at AS age
    FROM parked
    WHERE practice_id = %(practice_id)s AND (source, event_id) > (%(source)s, %(event_id)s)
    ORDER BY source, event_id LIMIT %(limit)s
"""
_HOLDS: Final = """
    SELECT hold_id, practice_id, source, silent_since FROM source_watch
    WHERE hold_id > %(after)s ORDER BY hold_id LIMIT %(limit)s
"""


class PostgresFreshnessReads:
    """`FreshnessReads` over one database. Raises psycopg.Error."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self, practice_id: PracticeId) -> list[SourceFreshness]:
        parameters = {"practice_id": practice_id, "count_up_to": COUNT_UP_TO}
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _SOURCES, parameters)
        return [_source(row) for row in rows]

    def days(self, practice_id: PracticeId) -> list[SpokenDay]:
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _DAYS, {"practice_id": practice_id})
        return [
            SpokenDay(Key(practice_id, row.source), row.day, row.events, row.newest_at)
            for row in rows
        ]

    def parked(
        self, practice_id: PracticeId, after: tuple[str, str], limit: int
    ) -> list[ParkedEvent]:
        source, event_id = after
        place = {"practice_id": practice_id, "source": source, "event_id": event_id}
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _PARKED, {**place, "limit": limit})
        return [ParkedEvent._make(row) for row in rows]

    def open_holds(self, after: str, limit: int) -> Sequence[OpenHold]:
        with self._database.transaction(operator=True) as tx:
            rows = fetch(tx, _HOLDS, {"after": after, "limit": limit})
        return [OpenHold._make(row) for row in rows]


def _source(row: Any) -> SourceFreshness:
    return SourceFreshness(
        row.source,
        row.last_occurred_at,
        row.last_accepted_at,
        parked=row.parked,
        parked_since=row.parked_since,
        refused=row.refused,
        silent_since=row.silent_since,
        hold_id=row.hold_id,
        today=local_day(row.now, row.zone),
    )
