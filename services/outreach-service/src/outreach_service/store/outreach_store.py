"""What the bus told, written down set by set: practices, activity, bookings, planned messages."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from outreach_service.domain.messages import State
from outreach_service.ports import ActivitySeen, BookingDelta, MessageEvent, PlannedMessage
from outreach_service.store.message_events import message_event
from outreach_service.translate import change_to_json
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import driver, execute
from rapport_runtime.stream.outbox import append

_SAVE_PRACTICE = sa.text("""
    INSERT INTO practice (practice_id, name, zone, currency)
    VALUES (:practice_id, :name, :zone, :currency)
    ON CONFLICT (practice_id) DO UPDATE
    SET name = excluded.name, zone = excluded.zone, currency = excluded.currency
""")
# In the order of the key, so that no two workers deadlock.
_RECORD_ACTIVITY = """
    INSERT INTO client (practice_id, client_id, activity_at)
    SELECT practice_id, client_id, max(at)
    FROM unnest(%b::text[], %b::text[], %b::timestamptz[]) AS seen(practice_id, client_id, at)
    GROUP BY practice_id, client_id
    ORDER BY practice_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET activity_at = greatest(client.activity_at, excluded.activity_at)
"""
_RECORD_BOOKINGS = """
    INSERT INTO booking (practice_id, client_id, sequence, starts_at, count)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::timestamptz[], %b::int[])
    ON CONFLICT DO NOTHING
"""
_PLAYBOOKS = sa.text("SELECT practice_id, body FROM playbook WHERE practice_id = ANY(:ids)")
_SAVE_PLANNED = """
    INSERT INTO message (practice_id, message_id, client_id, partition, play, step, tier_version,
        play_body, purpose, change, due_at, decide_at, state, changed_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'scheduled', %s)
    ON CONFLICT DO NOTHING
    RETURNING message_id
"""


class PostgresOutreachStore:
    """`OutreachStore` within one transaction; `encode` makes the event of a message's change."""

    def __init__(self, tx: sa.Connection, encode: Callable[[MessageEvent], Outgoing]) -> None:
        self._tx = tx
        self._encode = encode

    def save_practice(self, practice: Mapping[str, str]) -> None:
        """See `OutreachStore.save_practice`."""
        self._tx.execute(_SAVE_PRACTICE, dict(practice))

    def record_activity(self, seen: Collection[ActivitySeen]) -> None:
        """See `OutreachStore.record_activity`."""
        self._write(_RECORD_ACTIVITY, seen)

    def record_bookings(self, deltas: Collection[BookingDelta]) -> None:
        """See `OutreachStore.record_bookings`: the activity's sequence is the key, so
        once is enough."""
        self._write(_RECORD_BOOKINGS, deltas)

    def playbooks(self, practice_ids: Collection[str]) -> Mapping[str, Any]:
        """See `OutreachStore.playbooks`."""
        rows = self._tx.execute(_PLAYBOOKS, {"ids": list(practice_ids)})
        return {row.practice_id: row.body for row in rows}

    def save_planned(self, planned: Sequence[PlannedMessage]) -> None:
        """See `OutreachStore.save_planned`. A tier change that comes twice plans nothing twice
        (F33)."""
        unique = {message.message_id: message for message in planned}
        if not unique:
            return
        with driver(self._tx).cursor() as cursor:
            cursor.executemany(
                _SAVE_PLANNED, [_row(one) for one in unique.values()], returning=True
            )
            anew = [unique[message_id] for message_id in _returned(cursor)]
        append(self._tx, [self._encode(_scheduled_event(message)) for message in anew])

    def _write(self, statement: str, rows: Collection[Sequence[Any]]) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            execute(self._tx, statement, columns, prepare=False)


def _returned(cursor: Any) -> Iterable[str]:
    """The ids that `RETURNING` gave, one result set for each row that was sent."""
    for _ in cursor.results():
        yield from (row[0] for row in cursor.fetchall())


def _row(message: PlannedMessage) -> tuple[Any, ...]:
    change = message.change
    return (
        change.practice_id,
        message.message_id,
        change.client_id,
        message.partition,
        message.play.key,
        message.step,
        change.version,
        Jsonb(message.play_body),
        str(message.play.purpose),
        Jsonb(change_to_json(change)),
        message.due_at,
        message.due_at,
        message.due_at,
    )


def _scheduled_event(message: PlannedMessage) -> MessageEvent:
    at = message.due_at
    return message_event(message, at, state=State.SCHEDULED, channel=None, reason=None)
