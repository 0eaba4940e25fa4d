"""Messages and attempts as the sending side reads and writes them, set by set."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from outreach_service.domain.messages import State
from outreach_service.domain.playbook import Play
from outreach_service.domain.terms import Channel, Occasion, Purpose
from outreach_service.ports.records import (
    AppliedOutcome,
    AttemptHistory,
    AttemptKey,
    DueMessage,
    FinishedAttempt,
    LaneChange,
    LostAttempt,
    MessageKey,
    NewAttempt,
    PlannedMessage,
    Saying,
    Share,
    StateChange,
    TriedMessage,
)
from outreach_service.store.changes import change_of_row, change_to_json
from rapport_runtime.database import execute, execute_many, fetch, fetch_value
from rapport_runtime.ops.pauses import paused, this_worker

_UNKNOWN_LANE: Final = ""
_ADD = """
    INSERT INTO message (practice_id, message_id, client_id, partition, play, step, occasion_kind,
        occasion_id, play_body, purpose, change, due_at, decide_at, state, changed_at, lane)
    SELECT practice_id, message_id, client_id, partition, play, step, occasion_kind, occasion_id,
        play_body, purpose, change, due_at, due_at, 'scheduled', due_at, lane
    FROM unnest(%(practices)b::text[], %(messages)b::text[], %(clients)b::text[],
                %(partitions)b::int[], %(plays)b::text[], %(steps)b::int[], %(kinds)b::text[],
                %(occasions)b::text[], %(bodies)b::jsonb[], %(purposes)b::text[],
                %(changes)b::jsonb[], %(due)b::timestamptz[], %(lanes)b::text[])
        AS planned(practice_id, message_id, client_id, partition, play, step, occasion_kind,
                   occasion_id, play_body, purpose, change, due_at, lane)
    ON CONFLICT DO NOTHING
    RETURNING message_id
"""
_UNBEGUN = """
    SELECT practice_id, message_id, client_id, partition, step, occasion_kind, occasion_id,
           play_body, change, due_at, approved, attempts, state, channel, lane, false AS is_fenced
    FROM message
    WHERE (practice_id, client_id, play) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[], %(plays)s::text[]))
      AND state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff') AND NOT EXISTS (
        SELECT FROM message AS tried
        WHERE tried.practice_id = message.practice_id AND tried.client_id = message.client_id
          AND tried.play = message.play AND tried.occasion_kind = message.occasion_kind
          AND tried.occasion_id = message.occasion_id AND tried.attempts > 0)
    ORDER BY practice_id, message_id FOR UPDATE OF message
"""
# The statement's time, where an index is to be narrowed by it: the clock's own time may be another
# for each row, so Postgres would ask each row for it.
_OPEN = """(state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
               OR retry_until IS NOT NULL)"""
_IS_DUE = """(state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff')
               OR retry_until > statement_timestamp())
              AND decide_at <= %(now)s AND not_before <= statement_timestamp()"""
_HAS_DUE = f"SELECT EXISTS (SELECT FROM message WHERE {_IS_DUE})"
_KNOWN: Final = (4, 64)
"""How many messages a look knows of, for each that it may take and besides: other workers may have
locked the first ones."""
_OF_LANE = f"{_OPEN} AND lane = %(lane)s"
# One look into the index for each practice, however many messages it has.
_NEXT = f"practice_id FROM message WHERE {_OF_LANE} AND practice_id"
# The practices come in a ring. The walk along it ends when it has found as many with due messages
# as there are permits; then each of these has its first message served, then each its second.
# A pause that was committed before this statement is obeyed by it: nothing else stands between
# an operator's "stop" and the next provider call (ADR 20).
_DUE = f"""
    WITH RECURSIVE ahead AS (
        (SELECT {_NEXT} > %(after)s ORDER BY practice_id LIMIT 1)
        UNION ALL
        SELECT following.practice_id FROM ahead, LATERAL (
            SELECT {_NEXT} > ahead.practice_id ORDER BY practice_id LIMIT 1
        ) AS following
    ), behind AS (
        (SELECT {_NEXT} <= %(after)s ORDER BY practice_id LIMIT 1)
        UNION ALL
        SELECT following.practice_id FROM behind, LATERAL (
            SELECT {_NEXT} > behind.practice_id AND practice_id <= %(after)s
            ORDER BY practice_id LIMIT 1
        ) AS following
    ), served AS (
        SELECT due.practice_id, row_number() OVER () AS place
        FROM (SELECT practice_id FROM ahead UNION ALL SELECT practice_id FROM behind) AS ring,
        LATERAL (  -- with a LIMIT, so that it stays one look for each practice
            SELECT practice_id FROM message
            WHERE practice_id = ring.practice_id AND {_OF_LANE} AND {_IS_DUE}
            ORDER BY decide_at, message_id LIMIT 1
        ) AS due
        WHERE NOT {paused("practice", "due.practice_id")}
        LIMIT %(most)s
    ), turns AS (
        SELECT practice_id, message_id, turn, place FROM served, LATERAL (
            SELECT message_id, row_number() OVER (ORDER BY decide_at, message_id) AS turn
            FROM message
            WHERE practice_id = served.practice_id AND {_OF_LANE} AND {_IS_DUE}
            ORDER BY decide_at, message_id LIMIT %(known)s
        ) AS own ORDER BY turn, place LIMIT %(known)s
    )
    SELECT practice_id, message_id, client_id, partition, step, occasion_kind, occasion_id,
           play_body, change, due_at, approved, attempts, state, channel, lane,
           (due_at <= (SELECT due_up_to FROM fence)) IS TRUE AS is_fenced
    FROM turns JOIN message USING (practice_id, message_id)
    WHERE {_OF_LANE} AND {_IS_DUE}
      AND NOT {paused("worker", "%(worker)s")} AND NOT {paused("worker", "'*'")}
    ORDER BY turn, place LIMIT %(most)s FOR UPDATE OF message SKIP LOCKED
"""
_HISTORIES = """
    SELECT message_id,
           extract(epoch FROM clock_timestamp() - min(started_at))::float AS seconds,
           coalesce(bool_or(outcome = 'unknown'), false) AS unsure,
           (count(*) FILTER (WHERE is_excused))::int AS excused
    FROM attempt
    WHERE practice_id = ANY(%(practices)s) AND message_id = ANY(%(messages)s) GROUP BY message_id
"""
_CLAIM = """
    UPDATE message SET state = 'sending', reason = NULL, channel = %(channel)s,
        lane = %(channel)s, template = %(template)s, contact_index = %(contact_index)s,
        sent_at = %(now)s, attempts = attempts + 1, retry_until = NULL,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s), changed_at = %(now)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
_ADD_ATTEMPT = """
    INSERT INTO attempt (practice_id, message_id, number, channel, started_at, business_at)
    VALUES (%(practice_id)s, %(message_id)s, %(number)s, %(channel)s, clock_timestamp(), %(now)s)
"""
_CHANGE_STATE = """
    UPDATE message SET state = %(state)s, reason = %(reason)s, decide_at = %(decide_at)s,
        changed_at = %(now)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
_CHANGE_LANE = """
    UPDATE message SET lane = %(lane)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
_END_REPEATS_OF = """
    UPDATE message SET retry_until = NULL
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""
_END_OVERDUE_REPEATS = """
    UPDATE message SET retry_until = NULL WHERE retry_until < statement_timestamp()
"""
_LOST = """
    SELECT m.practice_id, m.message_id, m.client_id, m.channel, m.purpose, m.attempts,
           extract(epoch FROM clock_timestamp() - first.started_at)::float AS seconds, first.unsure,
           first.excused
    FROM message m, LATERAL (
        SELECT min(started_at) AS started_at,
               coalesce(bool_or(outcome = 'unknown'), false) AS unsure,
               (count(*) FILTER (WHERE is_excused))::int AS excused
        FROM attempt a WHERE a.practice_id = m.practice_id AND a.message_id = m.message_id
    ) first
    WHERE m.state = 'sending' AND m.lease_until < statement_timestamp()
    LIMIT 500
"""
_LOCK_TRIED = """
    SELECT m.practice_id, m.message_id, a.number, m.client_id, m.partition, m.play, m.step,
           m.occasion_kind, m.occasion_id, m.purpose, m.channel, m.state, m.sent_at, m.attempts,
           a.outcome, m.contact_index
    FROM message m JOIN attempt a USING (practice_id, message_id)
    WHERE (m.practice_id, m.message_id, a.number) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(messages)s::text[], %(numbers)s::int[]))
    ORDER BY m.practice_id, m.message_id FOR UPDATE OF m
"""
_FINISH = """
    UPDATE attempt SET finished_at = clock_timestamp(), outcome = %(outcome)s, code = %(code)s,
        is_excused = %(is_excused)s
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s AND number = %(number)s
"""
_APPLY = """
    UPDATE message SET state = %(state)s, reason = %(reason)s, lease_until = NULL,
        provider_ref = coalesce(%(provider_ref)s, provider_ref), changed_at = %(at)s,
        not_before = clock_timestamp() + make_interval(secs => %(wait_seconds)s),
        retry_until = make_interval(secs => %(keyed_seconds)s) + (
            SELECT min(started_at) FROM attempt
            WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s)
    WHERE practice_id = %(practice_id)s AND message_id = %(message_id)s
"""


class PostgresQueue:
    """`Queue` within one transaction; `read_play` reads the play that a message's row keeps."""

    def __init__(self, tx: sa.Connection, read_play: Callable[[Mapping[str, Any]], Play]) -> None:
        self._tx = tx
        self._read_play = read_play

    def add(self, planned: Sequence[PlannedMessage]) -> Collection[str]:
        """See `Queue.add`."""
        if not planned:
            return []
        rows = fetch(self._tx, _ADD, _columns(planned), prepare=False)
        return [row.message_id for row in rows]

    def lock_unbegun(self, sayings: Collection[Saying]) -> list[DueMessage]:
        """See `Queue.lock_unbegun`."""
        params = {
            "practices": [each.practice_id for each in sayings],
            "clients": [each.client_id for each in sayings],
            "plays": [each.play for each in sayings],
        }
        return [self._due_message(row) for row in fetch(self._tx, _UNBEGUN, params)]

    def has_due(self, now: datetime) -> bool:
        """See `Queue.has_due`."""
        return bool(fetch_value(self._tx, _HAS_DUE, {"now": now}))

    def lock_due(self, now: datetime, share: Share) -> list[DueMessage]:
        """See `Queue.lock_due`."""
        times, besides = _KNOWN
        params = {
            "now": now,
            "lane": share.lane or _UNKNOWN_LANE,
            "most": share.most,
            "after": share.after,
            "known": times * share.most + besides,
            "worker": this_worker(),
        }
        return [self._due_message(row) for row in fetch(self._tx, _DUE, params)]

    def histories(self, messages: Sequence[MessageKey]) -> Mapping[str, AttemptHistory]:
        """See `Queue.histories`."""
        if not messages:
            return {}
        params = {
            "practices": list({key.practice_id for key in messages}),
            "messages": [key.message_id for key in messages],
        }
        return {
            row.message_id: AttemptHistory(row.seconds, row.unsure, row.excused)
            for row in fetch(self._tx, _HISTORIES, params)
        }

    def claim(self, attempts: Sequence[NewAttempt], now: datetime, lease_seconds: float) -> None:
        """See `Queue.claim`."""
        rows = [{**each._asdict(), "now": now, "lease": lease_seconds} for each in attempts]
        self._execute_many(_CLAIM, rows)
        self._execute_many(_ADD_ATTEMPT, rows)

    def change_states(self, changes: Sequence[StateChange], now: datetime) -> None:
        """See `Queue.change_states`."""
        self._execute_many(_CHANGE_STATE, [{**each._asdict(), "now": now} for each in changes])

    def change_lanes(self, changes: Sequence[LaneChange]) -> None:
        """See `Queue.change_lanes`."""
        self._execute_many(_CHANGE_LANE, [each._asdict() for each in changes])

    def end_repeats_of(self, messages: Sequence[MessageKey]) -> None:
        """See `Queue.end_repeats_of`."""
        self._execute_many(_END_REPEATS_OF, [each._asdict() for each in messages])

    def end_overdue_repeats(self) -> None:
        """See `Queue.end_overdue_repeats`."""
        execute(self._tx, _END_OVERDUE_REPEATS)

    def lost(self) -> list[LostAttempt]:
        """See `Queue.lost`."""
        return [_lost_attempt(row) for row in fetch(self._tx, _LOST)]

    def lock_tried(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, TriedMessage]:
        """See `Queue.lock_tried`."""
        params = {
            "practices": [key.practice_id for key in attempts],
            "messages": [key.message_id for key in attempts],
            "numbers": [key.number for key in attempts],
        }
        return {
            AttemptKey(row.practice_id, row.message_id, row.number): _tried_message(row)
            for row in fetch(self._tx, _LOCK_TRIED, params)
        }

    def finish(self, attempts: Sequence[FinishedAttempt]) -> None:
        """See `Queue.finish`."""
        self._execute_many(_FINISH, [each._asdict() for each in attempts])

    def apply(self, outcomes: Sequence[AppliedOutcome]) -> None:
        """See `Queue.apply`."""
        self._execute_many(_APPLY, [each._asdict() for each in outcomes])

    def _execute_many(self, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            execute_many(self._tx, statement, rows)

    def _due_message(self, row: Any) -> DueMessage:
        return DueMessage(
            message_id=row.message_id,
            occasion=Occasion(row.occasion_kind, row.occasion_id),
            change=change_of_row(row),
            partition=row.partition,
            play=self._read_play(row.play_body),
            step=row.step,
            due_at=row.due_at,
            approved=row.approved,
            is_fenced=row.is_fenced,
            attempts=row.attempts,
            unsure_of=Channel(row.channel) if row.state == State.UNKNOWN else None,
            lane=Channel(row.lane) if row.lane else None,
        )


def _columns(planned: Sequence[PlannedMessage]) -> dict[str, list[Any]]:
    return {
        "practices": [each.change.practice_id for each in planned],
        "messages": [each.message_id for each in planned],
        "clients": [each.change.client_id for each in planned],
        "partitions": [each.partition for each in planned],
        "plays": [each.play.key for each in planned],
        "steps": [each.step for each in planned],
        "kinds": [each.occasion.kind for each in planned],
        "occasions": [each.occasion.id for each in planned],
        "bodies": [Jsonb(each.play_body) for each in planned],
        "purposes": [str(each.play.purpose) for each in planned],
        "changes": [Jsonb(change_to_json(each.change)) for each in planned],
        "due": [each.due_at for each in planned],
        "lanes": [each.lane or _UNKNOWN_LANE for each in planned],
    }


def _tried_message(row: Any) -> TriedMessage:
    columns = row._asdict()
    occasion = Occasion(columns.pop("occasion_kind"), columns.pop("occasion_id"))
    return TriedMessage(**columns, occasion=occasion)


def _lost_attempt(row: Any) -> LostAttempt:
    return LostAttempt(
        practice_id=row.practice_id,
        message_id=row.message_id,
        client_id=row.client_id,
        channel=Channel(row.channel),
        purpose=Purpose(row.purpose),
        attempt=row.attempts,
        first_try_seconds=row.seconds,
        unsure=row.unsure,
        excused=row.excused,
    )
