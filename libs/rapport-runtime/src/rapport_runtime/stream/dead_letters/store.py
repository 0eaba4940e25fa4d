"""Dead letters as people list and decide them: a practice its own, operators those of no owner."""

import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from rapport_runtime.database import Database, execute, fetch, fetch_one, fetch_value
from rapport_runtime.ops import audit
from rapport_runtime.stream.dead_letters.table import MOVED

Order = Literal["oldest", "newest"]


@dataclass(frozen=True, kw_only=True)
class DeadLetterFilter:
    """Which letters: each field that is not None must be equal."""

    state: str | None = None
    reason: str | None = None
    topic: str | None = None
    field: str | None = None
    practice: str | None = None

    def as_text(self) -> str:
        """The filter as the audit records it."""
        parts = [f"{name}={value}" for name, value in vars(self).items() if value is not None]
        return " ".join(parts) or "all"


@dataclass(frozen=True, kw_only=True)
class ReplayPolicy:
    """How many letters to replay, in which order, and when to stop.

    `stop_after` is the number of failures that ends the replay: when that many of its letters are
    held again, the queued ones become held without an attempt. A worker takes at most that many
    letters at once; several workers may replay at the same time, so a few more can fail.
    """

    count: int
    order: Order = "oldest"
    stop_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who decides. A practice (`practice_id`) decides over its own letters and over those without
    an owner whose record names it, an operator over all without an owner, a command on a worker's
    host over all of them (`all_practices`)."""

    name: str
    practice_id: str | None = None
    all_practices: bool = False
    reason: str | None = None


_SUMMARY = """
    id, consumer_group, topic, partition, record_offset, practice_id, named_practice, reason, field,
    detail, state, received_at
"""
_VISIBLE = """
    (%(all_practices)s OR named_practice = %(practice_id)s
        OR (%(practice_id)s::text IS NULL AND practice_id IS NULL))
"""
_MATCH = """
    (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(topic)s::text IS NULL OR topic = %(topic)s)
    AND (%(field)s::text IS NULL OR field = %(field)s)
    AND (%(practice)s::text IS NULL OR named_practice = %(practice)s)
"""
_LIST = f"""
    SELECT {_SUMMARY}, decided_at FROM every_letter
    WHERE {_VISIBLE} AND {_MATCH} AND id > %(after)s
    ORDER BY id LIMIT %(limit)s
"""  # noqa: S608 - the parts are constants of this file
_TALLY = f"""
    SELECT named_practice, reason, count(*) AS letters
    FROM every_letter WHERE {_VISIBLE} AND {_MATCH}
    GROUP BY 1, 2 ORDER BY letters DESC, named_practice, reason LIMIT %(limit)s
"""  # noqa: S608 - as above
_GET = f"""
    SELECT {_SUMMARY}, decided_at, sealed_key, sealed_value, header_names, sealed_headers,
        record_timestamp
    FROM every_letter WHERE {_VISIBLE} AND id = %(id)s
"""  # noqa: S608 - as above
_COUNT = f"""
    SELECT count(*) FROM (
        SELECT FROM dead_letter WHERE {_VISIBLE} AND {_MATCH} LIMIT %(limit)s) AS matching
"""  # noqa: S608 - as above
# What was replayed may be replayed once more: it waits again, under its id.
_QUEUE = f"""
    WITH before AS MATERIALIZED (
        SELECT id, state AS state_before FROM dead_letter
        WHERE {_VISIBLE} AND id = %(id)s FOR UPDATE
    ), queued AS (
        UPDATE dead_letter SET state = 'queued', replay_id = NULL, stop_after = NULL
        FROM before WHERE dead_letter.id = before.id
        RETURNING dead_letter.*, before.state_before
    ), back AS (
        DELETE FROM decided_letter WHERE {_VISIBLE} AND id = %(id)s AND state = 'replayed'
        RETURNING {MOVED}
    ), again AS (
        INSERT INTO dead_letter ({MOVED}, state) OVERRIDING SYSTEM VALUE
        SELECT {MOVED}, 'queued' FROM back
        RETURNING *, 'replayed' AS state_before
    )
    SELECT {_SUMMARY}, state_before, NULL::timestamptz AS decided_at FROM queued
    UNION ALL SELECT {_SUMMARY}, state_before, NULL FROM again
"""  # noqa: S608 - as above
_DROP = f"""
    WITH waiting AS (
        DELETE FROM dead_letter WHERE {_VISIBLE} AND id = %(id)s RETURNING {MOVED}, state
    ), dropped AS (
        INSERT INTO decided_letter ({MOVED}, state) SELECT {MOVED}, 'dropped' FROM waiting
        RETURNING *
    )
    SELECT {_SUMMARY}, decided_at, (SELECT state FROM waiting) AS state_before FROM dropped
    UNION ALL
    SELECT {_SUMMARY}, decided_at, state FROM decided_letter
    WHERE {_VISIBLE} AND id = %(id)s AND state = 'dropped'
"""  # noqa: S608 - as above
_QUEUE_MANY = {
    order: f"""
        WITH chosen AS MATERIALIZED (  -- a plain IN (…) may run again for each row, past its limit
            SELECT id FROM dead_letter WHERE {_VISIBLE} AND {_MATCH}
            ORDER BY id {direction} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        )
        UPDATE dead_letter SET state = 'queued', replay_id = %(replay_id)s,
            stop_after = %(stop_after)s
        FROM chosen WHERE dead_letter.id = chosen.id
    """  # noqa: S608 - as above
    for order, direction in (("oldest", "ASC"), ("newest", "DESC"))
}


class DeadLetterStore:
    """The dead letters of one service, for its API's or its worker's role.

    Row-level security lets a practice's key see its own and those without an owner that name it,
    and an operator's key those without an owner; every statement has the same condition. Each
    decision that changes something is audited in the same transaction. Lists are of what waits and
    of what was dealt with. Rows have the columns of the view `every_letter`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, actor: Actor, matching: DeadLetterFilter, *, after: int, limit: int
    ) -> list[Any]:
        """Up to `limit` letters with an id above `after`, oldest first, without their bytes."""
        parameters = {**_parameters(actor, matching), "after": after, "limit": limit}
        with self._transaction(actor) as tx:
            return fetch(tx, _LIST, parameters)

    def tally(self, actor: Actor, matching: DeadLetterFilter, *, limit: int) -> list[Any]:
        """How many letters there are by practice and reason, the most first, in up to `limit` rows
        (named_practice, reason, letters)."""
        parameters = {**_parameters(actor, matching), "limit": limit}
        with self._transaction(actor) as tx:
            return fetch(tx, _TALLY, parameters)

    def get(self, actor: Actor, letter_id: int) -> Any:
        """One letter with its sealed bytes; None when there is none that the actor may see."""
        with self._transaction(actor) as tx:
            return fetch_one(tx, _GET, {**_scope(actor), "id": letter_id})

    def queue(self, actor: Actor, letter_id: int) -> Any:
        """Queue a letter for replay; None when it was dropped, or there is none. Queueing twice is
        as queueing once."""
        return self._decide(_QUEUE, actor, "replay", letter_id)

    def drop(self, actor: Actor, letter_id: int) -> Any:
        """Drop a letter: it is never replayed; None when it was replayed, or there is none."""
        return self._decide(_DROP, actor, "drop", letter_id)

    def queue_many(self, actor: Actor, matching: DeadLetterFilter, policy: ReplayPolicy) -> int:
        """Queue held letters that match, by the policy; return how many."""
        parameters = {
            **_parameters(actor, _held(matching)),
            "limit": policy.count,
            "replay_id": uuid.uuid4().hex,
            "stop_after": policy.stop_after,
        }
        with self._transaction(actor) as tx:
            queued = execute(tx, _QUEUE_MANY[policy.order], parameters)
            if queued:
                _audit(tx, actor, "replay", matching.as_text(), count=queued)
        return queued

    def count(self, actor: Actor, matching: DeadLetterFilter, policy: ReplayPolicy) -> int:
        """How many letters `queue_many` would queue now; changes nothing."""
        parameters = {**_parameters(actor, _held(matching)), "limit": policy.count}
        with self._transaction(actor) as tx:
            return int(fetch_value(tx, _COUNT, parameters))

    def _decide(self, statement: str, actor: Actor, action: audit.Action, letter_id: int) -> Any:
        with self._transaction(actor) as tx:
            parameters = {**_scope(actor), "id": letter_id}
            row = fetch_one(tx, statement, parameters)
            if row is None:  # a worker may have moved it to the other table meanwhile
                row = fetch_one(tx, statement, parameters)
            if row is not None and row.state_before != row.state:
                _audit(tx, actor, action, str(letter_id))
        return row

    def _transaction(self, actor: Actor) -> AbstractContextManager[Connection]:
        return self._database.transaction(actor.practice_id, operator=actor.practice_id is None)


def _audit(
    tx: Connection, actor: Actor, action: audit.Action, subject: str, *, count: int = 1
) -> None:
    entry = audit.AuditEntry(actor.name, action, "letters", subject, actor.reason, count=count)
    audit.record(tx, entry)


def _held(matching: DeadLetterFilter) -> DeadLetterFilter:
    return replace(matching, state="held")


def _scope(actor: Actor) -> dict[str, Any]:
    return {"all_practices": actor.all_practices, "practice_id": actor.practice_id}


def _parameters(actor: Actor, matching: DeadLetterFilter) -> dict[str, Any]:
    return {**_scope(actor), **vars(matching)}
