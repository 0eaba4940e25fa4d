"""What the API reads about clients, from its side of row-level security."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from rapport_runtime.batched_reads import PracticeQuery
from rapport_runtime.database import Database, fetch, fetch_value
from scoring_service.ports import ChangeRow, StoredTier, Tiers
from scoring_service.store.holds import KEEPS_TIERS
from scoring_service.store.next_generations import IS_OVERDUE
from scoring_service.store.sweep_progress import SweepProgress

_EXPRESSIONS = {
    "since": "c.effective_at AS since",
    "first_missing_sequence": "lower(c.missing) AS first_missing_sequence",
    "as_of": """CASE WHEN p.swept_through IS NOT NULL
        THEN least(p.swept_through, held.swept_through) END AS as_of""",
    "is_kept": "coalesce(c.held_at = c.review_at, false) AS is_kept",
    "held_reasons": "held.reasons AS held_reasons",
    "held_sources": "held.sources AS held_sources",
    "held_since": "held.since AS held_since",
    "is_rebuilding": "n.generation IS NOT NULL AS is_rebuilding",
    "first_overdue_sequence": f"""CASE WHEN n.{IS_OVERDUE}
        THEN coalesce(lower(n.missing), n.last_sequence + 1) END AS first_overdue_sequence""",
}
_COLUMNS = ", ".join(_EXPRESSIONS.get(name, f"c.{name}") for name in StoredTier._fields)
"""Made of the class's own fields, as are those of `_HISTORY`. Only for that reason a row may fill
the class by position (`StoredTier(*row)`); every other row is read by name."""
_CLIENTS = f"""
    SELECT {_COLUMNS} FROM client c
    LEFT JOIN consumer_position p ON p.consumer_group = %(group)s AND p.topic = %(topic)s
        AND p.partition = c.partition
    LEFT JOIN next_generation n
        ON n.practice_id = c.practice_id AND n.client_id = c.client_id
    CROSS JOIN LATERAL (
        SELECT min(swept_through) FILTER (WHERE NOT {KEEPS_TIERS}) AS swept_through,
            array_agg(reason ORDER BY began_at, hold_id) FILTER (WHERE state = 'open') AS reasons,
            array_agg(source ORDER BY began_at, hold_id) FILTER (WHERE state = 'open') AS sources,
            array_agg(began_at ORDER BY began_at, hold_id) FILTER (WHERE state = 'open') AS since
        FROM practice_hold h WHERE h.practice_id = c.practice_id AND h.partition = c.partition
    ) AS held
    WHERE c.practice_id = %(practice_id)s
"""
_BY_ID = f"{_CLIENTS} AND c.client_id = ANY(%(client_ids)s::text[])"
_BY_TIER = f"""
    {_CLIENTS} AND c.tier = %(tier)s AND c.client_id > %(after)s
    ORDER BY c.client_id LIMIT %(limit)s
"""
_HISTORY = f"""
    SELECT {", ".join(ChangeRow._fields)} FROM tier_change
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND scheme = %(scheme)s
      AND version > %(after)s
    ORDER BY version LIMIT %(limit)s
"""
_COUNTS = """
    SELECT tier, sum(clients)::int8 AS clients FROM tier_count
    WHERE practice_id = %(practice_id)s GROUP BY tier HAVING sum(clients) <> 0
"""
_AS_OF = f"""
    SELECT CASE WHEN count(*) > 0 THEN least(min(swept_through), (
        SELECT min(h.swept_through) FROM practice_hold h
        WHERE h.practice_id = %(practice_id)s AND NOT {KEEPS_TIERS}
    )) END FROM consumer_position
    WHERE consumer_group = %(group)s AND topic = %(topic)s
    HAVING count(*) = count(swept_through)
"""
_EXISTS = """
    SELECT 1 FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""


class PostgresTiers(Tiers):
    """`Tiers` over one database."""

    def __init__(self, database: Database, progress: SweepProgress) -> None:
        self._database = database
        self._group_and_topic = {"group": progress.group, "topic": progress.topic}

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> list[StoredTier]:
        """See `Tiers.of_clients`."""
        return self._clients(_BY_ID, practice_id, client_ids=list(client_ids))

    async def of_practices(
        self, client_ids_by_practice: Mapping[str, Collection[str]]
    ) -> Mapping[str, list[StoredTier]]:
        """See `Tiers.of_practices`."""
        queries = [
            PracticeQuery(
                practice_id, _BY_ID, self._parameters(practice_id, client_ids=list(client_ids))
            )
            for practice_id, client_ids in client_ids_by_practice.items()
        ]
        answers = await self._database.fetch_many(queries)
        return {
            practice_id: [StoredTier(*row) for row in rows]
            for practice_id, rows in zip(client_ids_by_practice, answers, strict=True)
        }

    def in_tier(self, practice_id: str, tier: str, after: str, limit: int) -> Sequence[StoredTier]:
        """See `Tiers.in_tier`."""
        return self._clients(_BY_TIER, practice_id, tier=tier, after=after, limit=limit)

    def history(
        self, practice_id: str, client_id: str, scheme: str, after: int, limit: int
    ) -> Sequence[ChangeRow] | None:
        """See `Tiers.history`."""
        client = {"practice_id": practice_id, "client_id": client_id}
        with self._database.transaction(practice_id) as tx:
            if fetch_value(tx, _EXISTS, client) is None:
                return None
            after_version = {"scheme": scheme, "after": after, "limit": limit}
            rows = fetch(tx, _HISTORY, {**client, **after_version})
        return [ChangeRow(*row) for row in rows]

    def counts(self, practice_id: str) -> tuple[datetime | None, Mapping[str, int]]:
        """See `Tiers.counts`."""
        with self._database.transaction(practice_id) as tx:
            as_of = fetch_value(tx, _AS_OF, self._parameters(practice_id))
            rows = fetch(tx, _COUNTS, {"practice_id": practice_id})
        return as_of, {row.tier: row.clients for row in rows}

    def _clients(self, statement: str, practice_id: str, **more: Any) -> list[StoredTier]:
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, statement, self._parameters(practice_id, **more))
        return [StoredTier(*row) for row in rows]

    def _parameters(self, practice_id: str, **more: Any) -> dict[str, Any]:
        return {**self._group_and_topic, "practice_id": practice_id, **more}
