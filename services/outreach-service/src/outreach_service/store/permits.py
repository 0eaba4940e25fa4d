"""Token buckets of provider accounts, shared by all workers, on the database's real clock (F35)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from outreach_service.domain.terms import Channel


@dataclass(frozen=True)
class Rate:
    """What a provider account allows: messages a second, and how many at once after a pause."""

    per_second: float
    burst: float


_SET_UP = sa.text("""
    INSERT INTO permit (account, tokens, per_second, burst, refilled_at)
    VALUES (:account, :burst, :per_second, :burst, clock_timestamp())
    ON CONFLICT (account) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst,
        tokens = least(permit.tokens, excluded.burst)
""")
# One statement: the row lock is held until the claim commits, so no token is given out twice.
_LEASE = sa.text("""
    WITH held AS (
        SELECT account, per_second, clock_timestamp() AS at,
               least(burst, tokens + per_second
                   * extract(epoch FROM clock_timestamp() - refilled_at)) AS available
        FROM permit ORDER BY account FOR UPDATE
    )
    UPDATE permit SET tokens = held.available - least(:wanted, floor(held.available)),
                      refilled_at = held.at
    FROM held WHERE permit.account = held.account
    RETURNING permit.account, least(:wanted, floor(held.available)) AS granted
""")
_GIVE_BACK = sa.text("""
    UPDATE permit SET tokens = least(burst, tokens + :unused) WHERE account = :account
""")


def set_up(tx: sa.Connection, rates: Mapping[Channel, Rate]) -> None:
    """Make the buckets say what the settings say; a bucket that exists keeps its tokens."""
    rows = [
        {"account": str(channel), "per_second": rate.per_second, "burst": rate.burst}
        for channel, rate in sorted(rates.items())
    ]
    if rows:
        tx.execute(_SET_UP, rows)


def lease(tx: sa.Connection, wanted: int) -> dict[Channel, int]:
    """Take up to `wanted` permits of every account; they are this transaction's alone."""
    rows = tx.execute(_LEASE, {"wanted": wanted})
    return {Channel(row.account): int(row.granted) for row in rows}


def give_back(tx: sa.Connection, unused: Iterable[tuple[Channel, int]]) -> None:
    """Return what the transaction did not need."""
    rows = [{"account": str(channel), "unused": count} for channel, count in unused if count]
    if rows:
        tx.execute(_GIVE_BACK, rows)
