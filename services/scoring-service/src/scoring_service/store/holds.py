"""Which practices are held in which partition, and where they stand (ADR 35)."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch
from scoring_service.domain.practice_days import HeldPractice, KeptTiers
from scoring_service.ports import Hold, PracticePlace

KEEPS_TIERS = "(reason = 'silent')"
"""A hold during which time goes on, and lowers no tier (ADR 53). Any other one lets its practice
stand."""

TO_SWEEP = "(state <> 'open' OR swept_through < stands_at)"
"""A hold that has moved on or ended: the clients who waited have not all followed yet."""
_FIND = f"""
    SELECT wanted.partition, wanted.practice_id, hold.*,
           coalesce(hold.stands_at >= f.up_to, true) AS is_assessed
    FROM unnest(%(partitions)b::int[], %(practices)b::text[]) AS wanted(partition, practice_id)
    CROSS JOIN LATERAL (
        SELECT min(stands_at) FILTER (WHERE state = 'open' AND NOT {KEEPS_TIERS}) AS stands_at,
            min(stands_at) FILTER (WHERE state = 'open' AND {KEEPS_TIERS}) AS kept_since,
            min(stands_at) FILTER (WHERE ended_at IS NOT NULL) AS was_kept_since,
            max(ended_at) AS was_kept_until
        FROM practice_hold AS h
        WHERE h.practice_id = wanted.practice_id AND h.partition = wanted.partition
          AND h.state <> 'ended'
    ) AS hold
    LEFT JOIN first_watermark f ON f.partition = wanted.partition
    WHERE num_nonnulls(hold.stands_at, hold.kept_since, hold.was_kept_since) > 0
"""
# One that keeps tiers acts on the midnights that no watermark has passed yet, and does not move.
_SAVE = f"""
    INSERT INTO practice_hold AS known (practice_id, partition, hold_id, reason, source,
                                        incarnation, state, began_at, stands_at, swept_through)
    SELECT said.*, acts_from, acts_from
    FROM (VALUES (%(practice_id)s, %(partition)s::int, %(hold_id)s, %(reason)s, %(source)s,
                  %(incarnation)s, 'open', %(since)s::timestamptz))
        AS said(practice_id, partition, hold_id, reason, source, incarnation, state, began_at),
    LATERAL (
        SELECT CASE WHEN {KEEPS_TIERS} AND began_at <= %(reached)s::timestamptz
            THEN %(reached)s::timestamptz + interval '1 microsecond' ELSE began_at END AS acts_from
    ) AS acting
    ON CONFLICT (practice_id, partition, hold_id) DO UPDATE
    SET reason = excluded.reason, incarnation = excluded.incarnation, state = 'open',
        ended_at = NULL, stands_at = CASE WHEN {KEEPS_TIERS.replace("reason", "known.reason")}
            THEN known.stands_at ELSE greatest(known.stands_at, excluded.stands_at) END
"""
# Of several that keep tiers the last one that ends stands for all of them, so that what was kept
# takes effect once.
_END = f"""
    WITH ended AS (
        SELECT practice_id, partition, hold_id, stands_at, {KEEPS_TIERS} AS keeps_tiers
        FROM practice_hold
        WHERE practice_id = %(practice_id)s AND partition = %(partition)s
          AND hold_id = %(hold_id)s AND state = 'open'
    ), others AS (
        UPDATE practice_hold AS h SET stands_at = least(h.stands_at, ended.stands_at)
        FROM ended WHERE ended.keeps_tiers AND {KEEPS_TIERS.replace("reason", "h.reason")}
          AND h.practice_id = ended.practice_id AND h.partition = ended.partition
          AND h.hold_id <> ended.hold_id AND h.state = 'open'
        RETURNING h.hold_id
    )
    UPDATE practice_hold AS h
    SET state = CASE WHEN EXISTS (SELECT FROM others) THEN 'ended' ELSE 'ending' END,
        ended_at = CASE WHEN ended.keeps_tiers THEN %(since)s::timestamptz END
    FROM ended WHERE h.practice_id = ended.practice_id AND h.partition = ended.partition
      AND h.hold_id = ended.hold_id
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
    SET state = CASE WHEN h.state = 'open' OR h.ended_at > swept.until THEN h.state
            ELSE 'ended' END,
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
                row.stands_at,
                row.is_assessed,
                row.kept_since,
                row.was_kept_since and KeptTiers(row.was_kept_since, row.was_kept_until),
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
