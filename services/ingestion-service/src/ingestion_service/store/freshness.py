"""When sources spoke, day by day, and which are silent (ADR 53)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.ports.freshness import (
    Decision,
    Silence,
    SourceKey,
    SpokenDay,
    Watched,
)
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import execute, fetch
from rapport_runtime.ops import audit

# As in `source_count`: a connection mostly has a bucket of its own, so that the workers that read
# one practice do not wait for each other, and all in the order of the keys.
_COUNT: Final = """
    WITH spoken AS (
        SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(day)b::date[],
            %(events)b::bigint[], %(newest_at)b::timestamptz[])
            AS spoken(practice_id, source, day, events, newest_at)
    ), counted AS (
        INSERT INTO source_day AS known (practice_id, source, day, bucket, events, newest_at)
        SELECT practice_id, source, day, pg_backend_pid() %% 16, events, newest_at
        FROM spoken ORDER BY practice_id, source, day
        ON CONFLICT (practice_id, source, day, bucket) DO UPDATE SET
            events = known.events + excluded.events,
            newest_at = greatest(known.newest_at, excluded.newest_at)
    )
    INSERT INTO source_watch (practice_id, source, look_at)
    SELECT practice_id, source, newest_at FROM spoken ORDER BY practice_id, source
    ON CONFLICT DO NOTHING
"""
_WATCHED: Final = """
    watched.practice_id, watched.source, zone, look_at, silent_since, hold_id,
    NOT EXISTS (
        SELECT FROM practice_queue WHERE practice_queue.practice_id = watched.practice_id
    ) AS is_read
    FROM source_watch AS watched JOIN practice USING (practice_id)
"""
_DUE: Final = f"""
    SELECT {_WATCHED} WHERE look_at <= %(until)b::timestamptz
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE OF watched SKIP LOCKED
"""
_DAYS: Final = """
    SELECT wanted.practice_id, wanted.source, found.*
    FROM unnest(%(practice_id)b::text[], %(source)b::text[]) AS wanted(practice_id, source),
    LATERAL (
        SELECT day, sum(events)::bigint AS events, max(newest_at) AS newest_at FROM source_day
        WHERE source_day.practice_id = wanted.practice_id AND source_day.source = wanted.source
          AND day >= %(since)b::date
        GROUP BY day
    ) AS found ORDER BY wanted.practice_id, wanted.source, day
"""
_SAVE: Final = """
    UPDATE source_watch AS watched
    SET look_at = saved.look_at, silent_since = saved.silent_since, hold_id = saved.hold_id,
        incarnation = CASE WHEN saved.hold_id IS NULL THEN NULL ELSE digits END
    FROM incarnation, unnest(%(practice_id)b::text[], %(source)b::text[],
            %(look_at)b::timestamptz[], %(silent_since)b::timestamptz[], %(hold_id)b::text[])
        AS saved(practice_id, source, look_at, silent_since, hold_id)
    WHERE watched.practice_id = saved.practice_id AND watched.source = saved.source
"""
_UNANNOUNCED: Final = f"""
    SELECT {_WATCHED}
    WHERE hold_id IS NOT NULL AND watched.incarnation <> (SELECT digits FROM incarnation)
    FOR UPDATE OF watched SKIP LOCKED
"""
_HELD: Final = f"SELECT {_WATCHED} WHERE hold_id = %(hold_id)b FOR UPDATE OF watched"
_END_HOLD: Final = """
    UPDATE source_watch SET hold_id = NULL, incarnation = NULL WHERE hold_id = %(hold_id)b
"""


class PostgresFreshness:
    """`Freshness` within one transaction. Raises psycopg.Error."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def count(self, days: Sequence[SpokenDay]) -> None:
        if not days:
            return
        keys = arrays(SourceKey._fields, [each.key for each in days])
        own = arrays(SpokenDay._fields, days)
        del own["key"]
        execute(self._tx, _COUNT, {**keys, **own}, prepare=False)

    def due(self, until: datetime, limit: int) -> list[Watched]:
        rows = fetch(self._tx, _DUE, {"until": until, "limit": limit})
        return [_watched(row) for row in rows]

    def days(self, keys: Collection[SourceKey], since: date) -> Mapping[SourceKey, list[SpokenDay]]:
        wanted = arrays(SourceKey._fields, keys)
        found: dict[SourceKey, list[SpokenDay]] = {}
        for row in fetch(self._tx, _DAYS, {**wanted, "since": since}, prepare=False):
            key = SourceKey(row.practice_id, row.source)
            day = SpokenDay(key, row.day, row.events, row.newest_at)
            found.setdefault(key, []).append(day)
        return found

    def save(self, watched: Sequence[Watched]) -> None:
        parameters = arrays(SourceKey._fields, [each.key for each in watched]) | {
            "look_at": [each.look_at for each in watched],
            "silent_since": [each.silence and each.silence.since for each in watched],
            "hold_id": [each.silence and each.silence.hold_id for each in watched],
        }
        execute(self._tx, _SAVE, parameters, prepare=False)

    def unannounced(self) -> list[Watched]:
        return [_watched(row) for row in fetch(self._tx, _UNANNOUNCED)]

    def end_hold(self, hold_id: str, decision: Decision) -> Watched | None:
        rows = fetch(self._tx, _HELD, {"hold_id": hold_id})
        if not rows:
            return None
        execute(self._tx, _END_HOLD, {"hold_id": hold_id})
        entry = audit.AuditEntry(decision.actor, "resume", "hold", hold_id, decision.why)
        audit.record(self._tx, entry)
        return _watched(rows[0])


def _watched(row: Any) -> Watched:
    silence = None if row.silent_since is None else Silence(row.silent_since, row.hold_id)
    key = SourceKey(row.practice_id, row.source)
    return Watched(key, row.zone, row.look_at, silence, row.is_read)
