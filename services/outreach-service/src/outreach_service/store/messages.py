"""Messages as people read and steer them: lists, one whole, counts, approval, cancellation."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from outreach_service.domain.message_views import (
    AttemptRow,
    MessageCount,
    MessageFilter,
    MessageRow,
)
from outreach_service.domain.playbook import Play
from outreach_service.domain.terms import Channel, Occasion
from outreach_service.ports.contacts import ContactPoint
from outreach_service.ports.records import MessageKey, StoredMessage
from outreach_service.store.changes import change_of_row
from outreach_service.store.permissions import PERMITTED
from rapport_runtime.database import Database, execute, fetch, fetch_one, fetch_value

_MESSAGE: Final = """
    SELECT practice_id, message_id, client_id, partition, play, step, occasion_kind, occasion_id,
           play_body, purpose, change, state, reason, channel, template, approved, attempts, due_at,
           decide_at, sent_at, changed_at
    FROM message WHERE practice_id = %(practice_id)s
"""
_ONE: Final = f"{_MESSAGE} AND message_id = %(message_id)s"
_LOCKED: Final = f"{_ONE} FOR UPDATE"
_FILTERS: Final = {name: f" AND {name} = %({name})s" for name in MessageFilter._fields}
_NEXT: Final = " AND message_id > %(after)s ORDER BY message_id LIMIT %(limit)s"
_ATTEMPTS: Final = """
    SELECT number, channel, started_at, business_at, finished_at, outcome, code
    FROM attempt WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
    ORDER BY number
"""
_COUNTS: Final = """
    SELECT play, channel, state, reason, count(*) AS messages
    FROM message WHERE practice_id = %(practice_id)s
    GROUP BY play, channel, state, reason ORDER BY play, channel, state, reason
"""
_CONTACT_POINTS: Final = f"""
    SELECT channel, sealed_name, language, EXISTS (
        SELECT FROM ({PERMITTED}) AS allowed
        WHERE allowed.practice_id = known.practice_id AND allowed.client_id = known.client_id
          AND allowed.channel = known.channel AND allowed.purpose = %(purpose)s) AS consented
    FROM contact AS known WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
_PRACTICE_NAME: Final = """
    SELECT coalesce(discreet_name, name) FROM practice WHERE practice_id = %(practice_id)s
"""
_APPROVE: Final = """
    UPDATE message SET state = %(state)s, reason = NULL, approved = true, decide_at = %(now)s,
        changed_at = %(now)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
_CANCEL: Final = """
    UPDATE message SET state = %(state)s, reason = %(reason)s, changed_at = %(now)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
ReadPlay = Callable[[Mapping[str, Any]], Play]


class PostgresMessages:
    """`Messages` from the API's side of row-level security."""

    def __init__(self, database: Database, read_play: ReadPlay) -> None:
        self._database = database
        self._read_play = read_play

    def page(
        self, practice_id: str, only: MessageFilter, after: str, limit: int
    ) -> Sequence[MessageRow]:
        """See `Messages.page`."""
        chosen = {name: str(value) for name, value in only._asdict().items() if value is not None}
        statement = _MESSAGE + "".join(_FILTERS[name] for name in chosen) + _NEXT
        params = {**chosen, "practice_id": practice_id, "after": after, "limit": limit}
        with self._database.transaction(practice_id) as tx:
            return [_message_row(row, self._play(row)) for row in fetch(tx, statement, params)]

    def _play(self, row: Any) -> Play | None:
        return None if row.play_body is None else self._read_play(row.play_body)

    def summary(self, practice_id: str) -> Sequence[MessageCount]:
        """See `Messages.summary`."""
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _COUNTS, {"practice_id": practice_id})
        return [MessageCount(**row._asdict()) for row in rows]


class PostgresMessageTable:
    """`MessageTable` within one transaction."""

    def __init__(self, tx: sa.Connection, read_play: ReadPlay) -> None:
        self._tx = tx
        self._read_play = read_play

    def find(self, key: MessageKey) -> StoredMessage | None:
        """See `MessageTable.find`."""
        return self._stored(_ONE, key)

    def lock(self, key: MessageKey) -> StoredMessage | None:
        """See `MessageTable.lock`."""
        return self._stored(_LOCKED, key)

    def attempts(self, key: MessageKey) -> list[AttemptRow]:
        """See `MessageTable.attempts`."""
        rows = fetch(self._tx, _ATTEMPTS, key._asdict())
        return [AttemptRow(**row._asdict()) for row in rows]

    def contact_points(
        self, practice_id: str, client_id: str, purpose: str
    ) -> Mapping[Channel, ContactPoint]:
        """See `MessageTable.contact_points`."""
        params = {"practice_id": practice_id, "client_id": client_id, "purpose": purpose}
        return {
            Channel(row.channel): ContactPoint(row.sealed_name, row.language, row.consented)
            for row in fetch(self._tx, _CONTACT_POINTS, params)
        }

    def practice_name(self, practice_id: str) -> str | None:
        """See `MessageTable.practice_name`."""
        name: str | None = fetch_value(self._tx, _PRACTICE_NAME, {"practice_id": practice_id})
        return name

    def approve(self, key: MessageKey, state: str, now: datetime) -> None:
        """See `MessageTable.approve`."""
        execute(self._tx, _APPROVE, {**key._asdict(), "state": state, "now": now})

    def cancel(self, key: MessageKey, state: str, reason: str, now: datetime) -> None:
        """See `MessageTable.cancel`."""
        params = {**key._asdict(), "state": state, "reason": reason, "now": now}
        execute(self._tx, _CANCEL, params)

    def _stored(self, statement: str, key: MessageKey) -> StoredMessage | None:
        row = fetch_one(self._tx, statement, key._asdict())
        if row is None:
            return None
        play = None if row.play_body is None else self._read_play(row.play_body)
        return StoredMessage(
            practice_id=row.practice_id,
            partition=row.partition,
            row=_message_row(row, play),
            change=row.change,
            play=play,
            template=row.template,
        )


def _message_row(row: Any, play: Play | None) -> MessageRow:
    return MessageRow(
        message_id=row.message_id,
        client_id=row.client_id,
        play=row.play,
        step=row.step,
        occasion=Occasion(row.occasion_kind, row.occasion_id),
        purpose=row.purpose,
        mode=None if play is None else play.mode.value,
        state=row.state,
        reason=row.reason,
        channel=row.channel,
        approved=row.approved,
        attempts=row.attempts,
        due_at=row.due_at,
        decide_at=row.decide_at,
        expires_at=None if play is None else _expires_at(row, play),
        sent_at=row.sent_at,
        changed_at=row.changed_at,
    )


def _expires_at(row: Any, play: Play) -> datetime:
    return play.expires_at(play.steps[row.step], change_of_row(row), row.due_at)
