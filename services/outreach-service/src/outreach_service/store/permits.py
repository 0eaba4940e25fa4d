"""Token buckets of provider accounts, shared by all workers, on the database's real clock (F35)."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from outreach_service.domain.terms import Channel
from rapport_runtime.database import execute_many, fetch

_SET_UP = """
    INSERT INTO permit (account, tokens, per_second, burst, refilled_at)
    VALUES (%(account)s, %(burst)s, %(per_second)s, %(burst)s, clock_timestamp())
    ON CONFLICT (account) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst,
        tokens = least(permit.tokens, excluded.burst)
"""
# One statement under the rows' locks, so no token is given out twice.
_LEASE = """
    WITH held AS (
        SELECT account, per_second, clock_timestamp() AS at,
               least(burst, tokens + per_second
                   * extract(epoch FROM clock_timestamp() - refilled_at)) AS available
        FROM permit ORDER BY account FOR UPDATE
    )
    UPDATE permit SET tokens = held.available - least(%(wanted)s, floor(held.available)),
                      refilled_at = held.at
    FROM held WHERE permit.account = held.account
    RETURNING permit.account, least(%(wanted)s, floor(held.available))::int AS granted
"""
_GIVE_BACK = """
    UPDATE permit SET tokens = least(burst, tokens + %(unused)s) WHERE account = %(account)s
"""


@dataclass(frozen=True)
class Rate:
    """What a provider account allows: messages a second, and how many at once after a pause."""

    per_second: float
    burst: float


def set_up(tx: sa.Connection, rates: Mapping[Channel, Rate]) -> None:
    """Set the buckets' rates as the settings have them; a bucket that exists keeps its tokens."""
    rows = [
        {"account": str(channel), "per_second": rate.per_second, "burst": rate.burst}
        for channel, rate in sorted(rates.items())
    ]
    if rows:
        execute_many(tx, _SET_UP, rows)


class PostgresRates:
    """`Rates` within one transaction, which holds the buckets that it changed until its end."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def lease(self, wanted: int) -> dict[Channel, int]:
        """See `Rates.lease`."""
        rows = fetch(self._tx, _LEASE, {"wanted": wanted})
        return {Channel(row.account): row.granted for row in rows}

    def give_back(self, unused: Mapping[Channel, int]) -> None:
        """See `Rates.give_back`."""
        # In the order in which `_LEASE` locks them, so that no two claims deadlock.
        rows = [
            {"account": str(channel), "unused": count}
            for channel, count in sorted(unused.items())
            if count
        ]
        if rows:
            execute_many(self._tx, _GIVE_BACK, rows)
