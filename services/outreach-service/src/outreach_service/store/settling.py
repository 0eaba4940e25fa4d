"""Where clients stand, and the windows in which their tier changes add up, set by set."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from outreach_service.domain.settling import Window
from outreach_service.domain.terms import Standing
from outreach_service.ports.settling import Client, WindowKey
from outreach_service.store.changes import change_of_row, change_to_json
from outreach_service.store.clock import inputs_up_to
from rapport_runtime.database import execute, execute_many, fetch

_OF: Final = """(practice_id, client_id) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[]))"""
_LOCK: Final = f"""
    SELECT practice_id, client_id, settles_after, ends_at, partition, change FROM settling
    WHERE {_OF} ORDER BY practice_id, client_id, settles_after FOR UPDATE
"""
_SAVE: Final = """
    INSERT INTO settling (practice_id, client_id, settles_after, ends_at, partition, change)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(lengths)b::interval[],
                         %(ends)b::timestamptz[], %(partitions)b::int[], %(changes)b::jsonb[])
    ON CONFLICT (practice_id, client_id, settles_after) DO UPDATE
    SET ends_at = excluded.ends_at, partition = excluded.partition, change = excluded.change
"""
_CLOSE: Final = """
    DELETE FROM settling
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
      AND settles_after = %(settles_after)s
"""
_TAKE_ENDED: Final = """
    DELETE FROM settling WHERE (practice_id, client_id, settles_after) IN (
        SELECT practice_id, client_id, settles_after FROM settling
        WHERE ends_at <= %(up_to)s ORDER BY ends_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
    RETURNING practice_id, client_id, settles_after, ends_at, partition, change
"""
_STANDINGS: Final = f"""
    SELECT practice_id, client_id, scheme, tier, tier_since, tier_version FROM client
    WHERE {_OF} AND tier IS NOT NULL
"""
# In the order of the key, so that no two workers deadlock.
_SAVE_STANDINGS: Final = """
    INSERT INTO client (practice_id, client_id, scheme, tier, tier_since, tier_version)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(schemes)b::text[],
                         %(tiers)b::text[], %(since)b::timestamptz[], %(versions)b::bigint[])
        AS stands(practice_id, client_id, scheme, tier, tier_since, tier_version)
    ORDER BY practice_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET scheme = excluded.scheme, tier = excluded.tier, tier_since = excluded.tier_since,
        tier_version = excluded.tier_version
"""


class PostgresSettling:
    """`Settling` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def lock_windows(
        self, clients: Collection[Client]
    ) -> Mapping[Client, Mapping[timedelta, Window]]:
        """See `Settling.lock_windows`."""
        found: dict[Client, dict[timedelta, Window]] = defaultdict(dict)
        for row in fetch(self._tx, _LOCK, _columns(clients)):
            found[row.practice_id, row.client_id][row.settles_after] = _window(row)
        return found

    def save_windows(self, windows: Sequence[Window]) -> None:
        """See `Settling.save_windows`."""
        if not windows:
            return
        params = {
            "practices": [each.change.practice_id for each in windows],
            "clients": [each.change.client_id for each in windows],
            "lengths": [each.settles_after for each in windows],
            "ends": [each.ends_at for each in windows],
            "partitions": [each.partition for each in windows],
            "changes": [Jsonb(change_to_json(each.change)) for each in windows],
        }
        execute(self._tx, _SAVE, params, prepare=False)

    def close_windows(self, keys: Sequence[WindowKey]) -> None:
        """See `Settling.close_windows`."""
        if keys:
            execute_many(self._tx, _CLOSE, [each._asdict() for each in keys])

    def take_ended(self, most: int) -> list[Window]:
        """See `Settling.take_ended`."""
        up_to = inputs_up_to(self._tx)
        if up_to is None:
            return []
        params = {"up_to": up_to, "most": most}
        taken = [_window(row) for row in fetch(self._tx, _TAKE_ENDED, params)]
        return sorted(taken, key=lambda each: each.ends_at)

    def standings(self, clients: Collection[Client]) -> Mapping[Client, Standing]:
        """See `Settling.standings`."""
        return {
            (row.practice_id, row.client_id): standing_of_row(row)
            for row in fetch(self._tx, _STANDINGS, _columns(clients))
        }

    def save_standings(self, standings: Mapping[Client, Standing]) -> None:
        """See `Settling.save_standings`."""
        if not standings:
            return
        params = {
            **_columns(standings),
            "schemes": [each.scheme for each in standings.values()],
            "tiers": [each.tier for each in standings.values()],
            "since": [each.since for each in standings.values()],
            "versions": [each.version for each in standings.values()],
        }
        execute(self._tx, _SAVE_STANDINGS, params, prepare=False)


def standing_of_row(row: Any) -> Standing:
    """Where a client stands, from a row that says it."""
    return Standing(row.scheme, row.tier, row.tier_since, row.tier_version)


def _columns(clients: Collection[Client]) -> dict[str, list[Any]]:
    return {
        "practices": [practice for practice, _ in clients],
        "clients": [client for _, client in clients],
    }


def _window(row: Any) -> Window:
    return Window(row.settles_after, row.ends_at, change_of_row(row), row.partition)
