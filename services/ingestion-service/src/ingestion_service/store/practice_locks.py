"""Locks on what belongs to a practice, until the transaction ends: its declarations of sources and
its identities."""

from collections.abc import Collection
from typing import Final, Literal

import sqlalchemy as sa

from ingestion_service.domain.facts import PracticeId
from rapport_runtime.database import execute

Of = Literal["sources", "identities"]
"""What is locked."""

# In the order of the ids: of those who hold, none waits for another that waits for it.
_HOLD: Final = """
    SELECT pg_advisory_xact_lock_shared(hashtextextended(%(of)b::text || ' ' || practice_id, 0))
    FROM (
        SELECT practice_id FROM unnest(%(practice_ids)b::text[]) AS held(practice_id)
        ORDER BY practice_id
    ) AS held
"""
_TAKE: Final = """
    SELECT pg_advisory_xact_lock(hashtextextended(%(of)b::text || ' ' || %(practice_id)b::text, 0))
"""


def hold(tx: sa.Connection, of: Of, practice_ids: Collection[PracticeId]) -> None:
    """Share it with others who hold it: nobody takes it meanwhile."""
    execute(tx, _HOLD, {"of": of, "practice_ids": list(practice_ids)}, prepare=False)


def take(tx: sa.Connection, of: Of, practice_id: PracticeId) -> None:
    """Have it alone."""
    execute(tx, _TAKE, {"of": of, "practice_id": practice_id}, prepare=False)
