"""What the API reads: the stored row, assessed for the day that scoring has come to."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from rapport_runtime.batched_reads import PracticeQuery
from rapport_runtime.database import Database, driver
from scoring_service.domain.assess import Assessment, assess
from scoring_service.domain.digest import Digest
from scoring_service.domain.periods import local_day
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import ChangeRow, ClientTier, TierCount, Tiers
from scoring_service.store.statements import SweepProgress

_CLIENTS = """
    SELECT c.client_id, c.zone, c.digest, c.assessed_on, c.tier, c.version, c.effective_at,
           cardinality(c.missing) AS missing, p.swept_through
    FROM client c
    LEFT JOIN consumer_position p ON p.consumer_group = %s AND p.topic = %s
        AND p.partition = c.partition
    WHERE c.practice_id = %s
"""
_SOME = f"{_CLIENTS} AND c.client_id = ANY(%s::text[])".encode()
_BY_TIER = f"""
    {_CLIENTS} AND c.tier = %s AND c.client_id > %s ORDER BY c.client_id LIMIT %s
""".encode()
_HISTORY = sa.text("""
    SELECT version, rulebook, rulebook_version, from_tier, to_tier, direction, reason, origin,
           effective_at, happened_at, activity_id, score
    FROM tier_change
    WHERE practice_id = :practice_id AND client_id = :client_id AND version > :after
    ORDER BY version LIMIT :limit
""")
_COUNTS = sa.text("""
    SELECT tier, count(*) AS clients FROM client
    WHERE practice_id = :practice_id AND tier IS NOT NULL GROUP BY tier
""")
_AS_OF = sa.text("""
    SELECT min(swept_through) FROM consumer_position
    WHERE consumer_group = :group AND topic = :topic
    HAVING count(*) = count(swept_through)
""")
_EXISTS = sa.text("SELECT 1 FROM client WHERE practice_id = :practice_id AND client_id = :id")


_REMEMBERED = 4_096
"""Assessments, of some 3 KiB each, that need not be made again for who asks once more."""


class _Row(NamedTuple):
    """A client as `_CLIENTS` gives it."""

    client_id: str
    zone: str
    digest: bytes
    assessed_on: date | None
    tier: str | None
    version: int
    effective_at: datetime | None
    missing: int
    swept_through: datetime | None


class PostgresTiers(Tiers):
    """`Tiers` from the API's side of row-level security.

    Clients are read by the driver itself: SQLAlchemy took more time than Postgres (ADR 23).
    """

    def __init__(self, database: Database, progress: SweepProgress, rulebook: Rulebook) -> None:
        self._database = database
        self._group_and_topic = progress.group, progress.topic
        self._rulebook = rulebook
        self._assessed = lru_cache(_REMEMBERED)(self._assess)

    @property
    def rulebook(self) -> Rulebook:
        """See `Tiers.rulebook`."""
        return self._rulebook

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> list[ClientTier]:
        """See `Tiers.of_clients`."""
        return self._clients(_SOME, practice_id, list(client_ids))

    async def of_practices(
        self, client_ids_by_practice: Mapping[str, Collection[str]]
    ) -> Mapping[str, list[ClientTier]]:
        """See `Tiers.of_practices`."""
        questions = [
            PracticeQuery(
                practice_id, _SOME, (*self._group_and_topic, practice_id, list(client_ids))
            )
            for practice_id, client_ids in client_ids_by_practice.items()
        ]
        answers = await self._database.fetch_many(questions)
        return {
            practice_id: [self._tier(_Row(*row)) for row in rows]
            for practice_id, rows in zip(client_ids_by_practice, answers, strict=True)
        }

    def in_tier(self, practice_id: str, tier: str, after: str, limit: int) -> Sequence[ClientTier]:
        """See `Tiers.in_tier`."""
        return self._clients(_BY_TIER, practice_id, tier, after, limit)

    def history(
        self, practice_id: str, client_id: str, after: int, limit: int
    ) -> Sequence[ChangeRow] | None:
        """See `Tiers.history`."""
        asked = {"practice_id": practice_id, "client_id": client_id, "after": after}
        with self._database.transaction(practice_id) as tx:
            if tx.execute(_EXISTS, {"practice_id": practice_id, "id": client_id}).first() is None:
                return None
            return [ChangeRow(*row) for row in tx.execute(_HISTORY, {**asked, "limit": limit})]

    def distribution(self, practice_id: str) -> tuple[datetime | None, list[TierCount]]:
        """See `Tiers.distribution`."""
        group, topic = self._group_and_topic
        with self._database.transaction(practice_id) as tx:
            as_of = tx.execute(_AS_OF, {"group": group, "topic": topic}).scalar()
            rows = tx.execute(_COUNTS, {"practice_id": practice_id})
            clients = {row.tier: row.clients for row in rows}
        return as_of, [
            TierCount(tier.key, tier.names, clients.get(tier.key, 0))
            for tier in self._rulebook.tiers
        ]

    def _clients(self, statement: bytes, practice_id: str, *more: Any) -> list[ClientTier]:
        with (
            self._database.transaction(practice_id) as tx,
            driver(tx).cursor(binary=True) as cursor,
        ):
            rows = cursor.execute(
                statement, (*self._group_and_topic, practice_id, *more)
            ).fetchall()
        return [self._tier(_Row(*row)) for row in rows]

    def _tier(self, row: _Row) -> ClientTier:
        return ClientTier(
            client_id=row.client_id,
            zone=row.zone,
            version=row.version,
            since=row.effective_at,
            as_of=row.swept_through,
            missing=row.missing,
            assessment=self._assessment(row),
        )

    def _assessment(self, row: _Row) -> Assessment | None:
        """For the later of the row's day and the day that the whole partition has been swept to;
        between reviews no tier can differ."""
        if row.assessed_on is None:
            return None
        day = row.assessed_on
        if row.swept_through is not None:
            day = max(day, local_day(row.swept_through, row.zone))
        return self._assessed(row.digest, day, row.zone)

    def _assess(self, digest: bytes, day: date, zone: str) -> Assessment:
        """By the same pure function as the worker's: what it said of these arguments is true for
        ever, so that it may be remembered."""
        return assess(Digest.from_bytes(digest), self._rulebook, day, zone)
