"""How far time has been let pass in each partition: beside the position that the loop stores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch

_LOCK_UNSWEPT = """
    SELECT partition, processed_through FROM consumer_position
    WHERE consumer_group = %(group)s AND topic = %(topic)s
      AND partition = ANY(%(partitions)s::int[])
      AND processed_through IS NOT NULL AND swept_through IS DISTINCT FROM processed_through
    ORDER BY partition FOR UPDATE SKIP LOCKED
"""
_MARK_SWEPT = """
    UPDATE consumer_position p SET swept_through = greatest(p.swept_through, swept.until)
    FROM unnest(%(partitions)s::int[], %(instants)s::timestamptz[]) AS swept(partition, until)
    WHERE p.consumer_group = %(group)s AND p.topic = %(topic)s AND p.partition = swept.partition
"""
_SWEPT_THROUGH = """
    SELECT partition, swept_through FROM consumer_position
    WHERE consumer_group = %(group)s AND topic = %(topic)s
      AND partition = ANY(%(partitions)s::int[])
      AND swept_through IS NOT NULL
"""


@dataclass(frozen=True)
class SweepProgress:
    """The positions of one group in one topic, whose watermarks are scoring's business time."""

    group: str
    topic: str

    def lock_unswept(self, tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        """See `Store.lock_unswept`."""
        rows = fetch(tx, _LOCK_UNSWEPT, self._parameters(partitions))
        return {row.partition: row.processed_through for row in rows}

    def mark_swept(self, tx: sa.Connection, until: Mapping[int, datetime]) -> None:
        """See `Store.mark_swept`."""
        execute(tx, _MARK_SWEPT, {**self._parameters(until), "instants": list(until.values())})

    def swept_through(self, tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        """How far each partition is swept: the watermark that the relay may pass on. Partitions
        that were never swept are left out."""
        rows = fetch(tx, _SWEPT_THROUGH, self._parameters(partitions))
        return {row.partition: row.swept_through for row in rows}

    def _parameters(self, partitions: Iterable[int]) -> dict[str, Any]:
        return {"group": self.group, "topic": self.topic, "partitions": list(partitions)}
