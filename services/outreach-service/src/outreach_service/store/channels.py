"""The state of the channels: the accounts' permits, and a practice's last hour on each."""

from collections.abc import Sequence
from typing import Any, Final

from outreach_service.domain.terms import Channel
from outreach_service.ports import ChannelSetup, ChannelState, Closed, Permits
from rapport_runtime.database import Database, fetch
from rapport_runtime.metrics import CHANNEL_CLOSED

_PERMITS: Final = """
    SELECT account, per_second, burst,
           least(burst, tokens + per_second
               * extract(epoch FROM clock_timestamp() - refilled_at)) AS tokens,
           closed_code, closed_since, closed_until
    FROM permit
"""
_LAST_HOUR: Final = """
    SELECT channel, count(*) AS attempts,
           count(*) FILTER (WHERE outcome = 'accepted') AS accepted,
           count(*) FILTER (WHERE outcome = 'rejected') AS rejected,
           count(*) FILTER (WHERE outcome = 'unknown') AS unknown
    FROM attempt
    WHERE practice_id = %(practice_id)s AND started_at > statement_timestamp() - interval '1 hour'
    GROUP BY channel
"""
_WAITING: Final = """
    SELECT coalesce(nullif(lane, ''), message.channel, (
               SELECT route->>'channel'
               FROM jsonb_array_elements(play_body->'steps'->step->'channels')
                   WITH ORDINALITY AS routes(route, place)
               WHERE route->>'channel' <> ALL(%(closed)s::text[])
               ORDER BY place LIMIT 1)) AS channel,
           count(*) AS waiting, min(due_at) AS oldest_at
    FROM message
    WHERE practice_id = %(practice_id)s AND lane = ANY(%(lanes)s)
      AND state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
    GROUP BY 1
"""


class PostgresChannels:
    """`Channels` from the API's side of row-level security."""

    def __init__(self, database: Database, setups: Sequence[ChannelSetup]) -> None:
        self._database = database
        self._setups = tuple(setups)

    def states(self, practice_id: str) -> Sequence[ChannelState]:
        """See `Channels.states`."""
        closed = [str(setup.channel) for setup in self._setups if setup.is_closed]
        lanes = ["", *map(str, Channel)]
        params = {"practice_id": practice_id, "closed": closed, "lanes": lanes}
        with self._database.transaction(practice_id) as tx:
            accounts = {row.account: row for row in fetch(tx, _PERMITS)}
            hours = {row.channel: row for row in fetch(tx, _LAST_HOUR, params)}
            waits = {row.channel: row for row in fetch(tx, _WAITING, params)}
        states = []
        for setup in self._setups:
            hour, wait = hours.get(setup.channel), waits.get(setup.channel)
            states.append(
                ChannelState(
                    setup=setup,
                    permits=_permits(accounts.get(setup.channel)),
                    attempts=hour.attempts if hour else 0,
                    accepted=hour.accepted if hour else 0,
                    rejected=hour.rejected if hour else 0,
                    unknown=hour.unknown if hour else 0,
                    waiting=wait.waiting if wait else 0,
                    oldest_waiting_at=wait.oldest_at if wait else None,
                    closed=_closed(accounts.get(setup.channel)),
                )
            )
        return states


class ClosedChannels:
    """Tells Prometheus which channels are closed, and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self) -> None:
        """Read the accounts and set the gauge; while the database is away there is none."""
        CHANNEL_CLOSED.clear()
        with self._database.transaction(operator=True) as tx:
            rows = fetch(tx, _PERMITS)
        for row in rows:
            if row.closed_code is not None:
                CHANNEL_CLOSED.labels(row.account, row.closed_code).set(1)


def _permits(row: Any) -> Permits | None:
    return None if row is None else Permits(float(row.tokens), row.per_second, row.burst)


def _closed(row: Any) -> Closed | None:
    if row is None or row.closed_code is None:
        return None
    return Closed(row.closed_code, row.closed_since, row.closed_until)
