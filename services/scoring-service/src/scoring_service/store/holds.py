"""Which practices are held in which partition, and where they stand (ADR 35)."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch
from scoring_service.domain.practice_days import HeldPractice
from scoring_service.ports import Hold, PracticePlace

TO_SWEEP = "(state <> 'open' OR swept_through < stands_at)"
"""A hold that has moved on or ended: the clients who waited have not all followed yet."""
_FIND = """
    SELECT wanted.partition, wanted.practice_id, hold.stands_at,
           coalesce(hold.stands_at >= f.up_to, true) AS is_assessed
    FROM unnest(%(partitions)b::int[], %(practices)b::text[]) AS wanted(partition, practice_id)
    CROSS JOIN LATERAL (
        SELECT min(stands_at) AS stands_at FROM practice_hold AS h
        WHERE h.practice_id = wanted.practice_id AND h.partition = wanted.partition
          AND h.state = 'open'
    ) AS hold
    LEFT JOIN first_watermark f ON f.partition = wanted.partition
    WHERE hold.stands_at IS NOT NULL
"""
_SAVE = """
    INSERT INTO practice_hold AS known (practice_id, partition, hold_id, reason, incarnation,
                                        state, began_at, stands_at, swept_through)
    VALUES (%(practice_id)s, %(partition)s, %(hold_id)s, %(reason)s, %(incarnation)s,
            'open', %(since)s, %(since)s, %(since)s)
    ON CONFLICT (practice_id, partition, hold_id) DO UPDATE
    SET reason = excluded.reason, incarnation = excluded.incarnation, state = 'open',
        stands_at = greatest(known.stands_at, excluded.stands_at)
"""
_END = """
    UPDATE practice_hold SET state = 'ending'
    WHERE practice_id = %(practice_id)s AND partition = %(partition)s AND hold_id = %(hold_id)s
      AND state = 'open'
"""
# Two ranges of the index, both empty unless the database was restored.
_END_OTHERS = """
    UPDATE practice_hold SET state = 'ending'
    WHERE (practice_id, partition, hold_id) IN (
        SELECT h.practice_id, h.partition, h.hold_id
        FROM unnest(%(partitions)s::int[], %(incarnations)s::text[]) AS seen(partition, digits),
        LATERAL (
            SELECT practice_id, partition, hold_id FROM practice_hold
            WHERE partition = seen.partition AND incarnation < seen.digits AND state = 'open'
            UNION ALL
            SELECT practice_id, partition, hold_id FROM practice_hold
            WHERE partition = seen.partition AND incarnation > seen.digits AND state = 'open'
        ) AS h)
"""
# A hold that has ended is told until the changes that came of it are published (`PostgresFeed`).
_REMOVE_ENDED = """
    DELETE FROM practice_hold AS h USING outbox_watermark AS o
    WHERE h.partition = ANY(%(partitions)s) AND h.state = 'ended'
      AND o.partition = h.partition AND h.swept_through <= o.published_through
"""
_SETTLE = f"""
    UPDATE practice_hold AS h
    SET state = CASE h.state WHEN 'open' THEN 'open' ELSE 'ended' END,
        swept_through = CASE h.state WHEN 'open' THEN h.stands_at ELSE swept.until END
    FROM unnest(%(partitions)s::int[], %(instants)s::timestamptz[]) AS swept(partition, until)
    WHERE h.partition = swept.partition AND {TO_SWEEP} AND h.state <> 'ended'
"""


class PostgresHolds:
    """`Holds` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def find(self, places: Collection[PracticePlace]) -> Mapping[PracticePlace, HeldPractice]:
        """See `Holds.find`."""
        if not places:
            return {}
        parameters = {
            "partitions": [place.partition for place in places],
            "practices": [place.practice_id for place in places],
        }
        return {
            PracticePlace(row.partition, row.practice_id): HeldPractice(
                row.stands_at, row.is_assessed
            )
            for row in fetch(self._tx, _FIND, parameters, prepare=False)
        }

    def save(self, hold: Hold) -> None:
        """See `Holds.save`."""
        execute(self._tx, _SAVE, hold._asdict())

    def end(self, hold: Hold) -> None:
        """See `Holds.end`."""
        execute(self._tx, _END, hold._asdict())

    def end_others(self, incarnations: Mapping[int, str]) -> None:
        """See `Holds.end_others`."""
        if incarnations:
            parameters = {
                "partitions": list(incarnations),
                "incarnations": list(incarnations.values()),
            }
            execute(self._tx, _END_OTHERS, parameters)

    def settle(self, until: Mapping[int, datetime]) -> None:
        """See `Holds.settle`."""
        parameters = {"partitions": list(until), "instants": list(until.values())}
        execute(self._tx, _REMOVE_ENDED, parameters)
        execute(self._tx, _SETTLE, parameters)
