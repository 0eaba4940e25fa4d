"""Token buckets of provider accounts, shared by all workers, on the database's real clock (F35).

A bucket is closed while its account is refused; then one message at a time tries it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from outreach_service.domain.terms import Channel
from outreach_service.ports.records import Strike
from rapport_runtime.database import execute_many, fetch

_SET_UP = """
    INSERT INTO permit (account, tokens, per_second, burst, refilled_at)
    VALUES (%(account)s, %(burst)s, %(per_second)s, %(burst)s, clock_timestamp())
    ON CONFLICT (account) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst,
        tokens = least(permit.tokens, excluded.burst),
        closed_until = CASE WHEN permit.closed_since IS NOT NULL THEN clock_timestamp() END
"""
_STRIKES: Final = 5
"""So many refusals of which it is not clear that the account is meant, in a row, close it."""

_TRY_SECONDS: Final = 30.0
"""For so long the next message waits for the answer to the one that tries a closed account."""

# One statement under the rows' locks, so no token is given out twice.
_LEASE = """
    WITH held AS (
        SELECT account, clock_timestamp() AS at, closed_since,
               least(burst, tokens + per_second
                   * extract(epoch FROM clock_timestamp() - refilled_at)) AS available,
               CASE WHEN closed_since IS NULL THEN %(wanted)s
                    WHEN closed_until > clock_timestamp() THEN 0
                    ELSE least(%(wanted)s, 1) END AS most
        FROM permit ORDER BY account FOR UPDATE
    ), granted AS (
        SELECT account, at, available, least(most, floor(available))::int AS count,
               CASE WHEN closed_since IS NOT NULL AND most > 0
                    THEN at + make_interval(secs => %(try_seconds)s) END AS tried_until
        FROM held
    )
    UPDATE permit SET tokens = available - granted.count, refilled_at = at,
                      closed_until = coalesce(tried_until, closed_until)
    FROM granted WHERE permit.account = granted.account
    RETURNING permit.account, granted.count AS granted
"""
_GIVE_BACK = """
    UPDATE permit SET tokens = least(burst, tokens + %(unused)s),
        closed_until = CASE WHEN closed_until > clock_timestamp()
                                 + make_interval(secs => %(try_seconds)s) THEN closed_until
                            WHEN closed_since IS NOT NULL THEN clock_timestamp() END
    WHERE account = %(account)s
"""
_STRIKE = """
    WITH struck AS (
        SELECT account, strikes + 1 AS strikes,
               %(closes)s OR strikes + 1 >= %(most)s OR closed_since IS NOT NULL AS is_closed
        FROM permit WHERE account = %(account)s FOR UPDATE
    )
    UPDATE permit SET strikes = struck.strikes,
        closed_code = CASE WHEN is_closed THEN %(code)s END,
        closed_since = CASE WHEN is_closed THEN coalesce(closed_since, clock_timestamp()) END,
        closed_until = CASE WHEN is_closed
                            THEN clock_timestamp() + make_interval(secs => %(seconds)s) END
    FROM struck WHERE permit.account = struck.account
"""
_REOPEN = """
    UPDATE permit SET strikes = 0, closed_code = NULL, closed_since = NULL, closed_until = NULL
    WHERE account = %(account)s AND strikes > 0
"""


@dataclass(frozen=True)
class Rate:
    """What a provider account allows: messages a second, and how many at once after a pause."""

    per_second: float
    burst: float


def set_up(tx: sa.Connection, rates: Mapping[Channel, Rate]) -> None:
    """Set the buckets' rates as the settings have them; a bucket that exists keeps its tokens. An
    account that is closed is tried at once: its settings may be new."""
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
        rows = fetch(self._tx, _LEASE, {"wanted": wanted, "try_seconds": _TRY_SECONDS})
        return {Channel(row.account): row.granted for row in rows}

    def give_back(self, unused: Mapping[Channel, int]) -> None:
        """See `Rates.give_back`."""
        # In the order in which `_LEASE` locks them, so that no two claims deadlock.
        rows = [
            {"account": str(channel), "unused": count, "try_seconds": _TRY_SECONDS}
            for channel, count in sorted(unused.items())
            if count
        ]
        if rows:
            execute_many(self._tx, _GIVE_BACK, rows)

    def strike(self, strikes: Sequence[Strike]) -> None:
        """See `Rates.strike`."""
        rows = [
            {
                "account": str(strike.channel),
                "code": strike.code,
                "closes": strike.closes,
                "seconds": strike.seconds,
                "most": _STRIKES,
            }
            for strike in strikes
        ]
        if rows:
            execute_many(self._tx, _STRIKE, rows)

    def reopen(self, channels: Collection[Channel]) -> None:
        """See `Rates.reopen`."""
        rows = [{"account": str(channel)} for channel in channels]
        if rows:
            execute_many(self._tx, _REOPEN, rows)
