"""Messages as people read and steer them: lists, one whole, counts, approval, cancellation."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from outreach_service.domain.message_views import (
    AttemptRow,
    MessageCount,
    MessageFilter,
    MessageRow,
    MessageView,
)
from outreach_service.domain.messages import Event, ImpossibleTransition, State, advance
from outreach_service.handlers import play_of
from outreach_service.ports import MessageEvent, WrongState
from outreach_service.store.clock import business_time
from outreach_service.store.message_events import message_event_of_row
from outreach_service.store.preview import Previews
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.stream.outbox import append

CANCELLED_BY_STAFF: Final = "cancelled-by-staff"

_MESSAGE: Final = """
    SELECT practice_id, message_id, client_id, partition, play, step, tier_version, play_body,
           purpose, change, state, reason, channel, template, approved, attempts, due_at, decide_at,
           sent_at, changed_at
    FROM message WHERE practice_id = :practice_id
"""
_ONE: Final = sa.text(f"{_MESSAGE} AND message_id = :message_id")
_LOCKED: Final = sa.text(f"{_MESSAGE} AND message_id = :message_id FOR UPDATE")
_ATTEMPTS: Final = sa.text("""
    SELECT number, channel, started_at, business_at, finished_at, outcome, code
    FROM attempt WHERE practice_id = :practice_id AND message_id = :message_id ORDER BY number
""")
_COUNTS: Final = sa.text("""
    SELECT play, channel, state, reason, count(*) AS messages
    FROM message WHERE practice_id = :practice_id
    GROUP BY play, channel, state, reason ORDER BY play, channel, state, reason
""")
_MOVE: Final = sa.text("""
    UPDATE message SET state = :state, reason = :reason, approved = :approved,
        decide_at = :decide_at, changed_at = :now
    WHERE practice_id = :practice_id AND message_id = :message_id
""")


class PostgresMessages:
    """`Messages` from the API's side of row-level security.

    A message is steered under its own row's lock; one that a dispatcher is deciding on is waited
    for. Each move is announced in the transaction that makes it.
    """

    def __init__(
        self,
        database: Database,
        previews: Previews,
        encode: Callable[[MessageEvent], Outgoing],
        *,
        simulated: bool,
    ) -> None:
        self._database = database
        self._previews = previews
        self._encode = encode
        self._simulated = simulated

    def page(
        self, practice_id: str, only: MessageFilter, after: str, limit: int
    ) -> Sequence[MessageRow]:
        """See `Messages.page`."""
        asked = {name: value for name, value in only._asdict().items() if value is not None}
        named = "".join(f" AND {name} = :{name}" for name in MessageFilter._fields if name in asked)
        rest = " AND message_id > :after ORDER BY message_id LIMIT :limit"
        said = {**asked, "practice_id": practice_id, "after": after, "limit": limit}
        with self._database.transaction(practice_id) as tx:
            return [_row(row) for row in tx.execute(sa.text(_MESSAGE + named + rest), said)]

    def get(self, practice_id: str, message_id: str) -> MessageView | None:
        """See `Messages.get`."""
        asked = {"practice_id": practice_id, "message_id": message_id}
        with self._database.transaction(practice_id) as tx:
            row = tx.execute(_ONE, asked).one_or_none()
            if row is None:
                return None
            attempts = [AttemptRow(*found) for found in tx.execute(_ATTEMPTS, asked)]
            return MessageView(
                _row(row), row.change, attempts, self._previews.of(tx, practice_id, row)
            )

    def summary(self, practice_id: str) -> Sequence[MessageCount]:
        """See `Messages.summary`."""
        with self._database.transaction(practice_id) as tx:
            rows = tx.execute(_COUNTS, {"practice_id": practice_id})
            return [MessageCount(*row) for row in rows]

    def approve(self, practice_id: str, message_id: str) -> MessageRow | None:
        """See `Messages.approve`. The gates are asked again, at once."""
        with self._database.transaction(practice_id) as tx:
            row = _locked(tx, practice_id, message_id)
            if row is None:
                return None
            if row.state != State.AWAITING_STAFF:
                raise WrongState(f"only one that awaits staff can be approved; it is {row.state}")
            now = business_time(tx, simulated=self._simulated)
            moved = {"state": advance(State(row.state), Event.SCHEDULE).value, "reason": None}
            return self._moved(
                tx, practice_id, row, {**moved, "approved": True, "decide_at": now, "now": now}
            )

    def cancel(self, practice_id: str, message_id: str) -> MessageRow | None:
        """See `Messages.cancel`. What is settled without having gone stays as it is."""
        with self._database.transaction(practice_id) as tx:
            row = _locked(tx, practice_id, message_id)
            if row is None:
                return None
            try:
                state = advance(State(row.state), Event.CANCEL)
            except ImpossibleTransition as impossible:
                raise WrongState(str(impossible)) from impossible
            if state == row.state:
                return _row(row)
            now = business_time(tx, simulated=self._simulated)
            kept = {"approved": row.approved, "decide_at": row.decide_at}
            moved = {"state": state.value, "reason": CANCELLED_BY_STAFF, **kept, "now": now}
            return self._moved(tx, practice_id, row, moved)

    def _moved(
        self, tx: sa.Connection, practice_id: str, row: sa.Row[Any], moved: dict[str, Any]
    ) -> MessageRow:
        who = {"practice_id": practice_id, "message_id": row.message_id}
        tx.execute(_MOVE, {**who, **moved})
        event = message_event_of_row(
            row, state=moved["state"], reason=moved["reason"], at=moved["now"]
        )
        append(tx, [self._encode(event)])
        return _row(tx.execute(_ONE, who).one())


def _locked(tx: sa.Connection, practice_id: str, message_id: str) -> sa.Row[Any] | None:
    asked = {"practice_id": practice_id, "message_id": message_id}
    return tx.execute(_LOCKED, asked).one_or_none()


def _row(row: sa.Row[Any]) -> MessageRow:
    play = play_of(row.play_body).plays[0]
    return MessageRow(
        message_id=row.message_id,
        client_id=row.client_id,
        play=row.play,
        step=row.step,
        tier_version=row.tier_version,
        purpose=row.purpose,
        mode=play.mode.value,
        state=row.state,
        reason=row.reason,
        channel=row.channel,
        approved=row.approved,
        attempts=row.attempts,
        due_at=row.due_at,
        decide_at=row.decide_at,
        expires_at=row.due_at + play.expires_after,
        sent_at=row.sent_at,
        changed_at=row.changed_at,
    )
