"""Dead letters as people see and decide them: by practice, or, for operators, those of nobody."""

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from rapport_runtime.database import Database
from rapport_runtime.ops import audit

Order = Literal["oldest", "newest"]


@dataclass(frozen=True, kw_only=True)
class DeadLetterFilter:
    """Which letters: each part that is not None must be equal."""

    state: str | None = None
    reason: str | None = None
    topic: str | None = None
    field: str | None = None
    practice: str | None = None

    def said(self) -> str:
        """The filter as the audit keeps it."""
        parts = [f"{name}={value}" for name, value in vars(self).items() if value is not None]
        return " ".join(parts) or "all"


@dataclass(frozen=True, kw_only=True)
class ReplayPolicy:
    """How many letters to replay, which first, and after how many that fail again to stop.

    With `stop_after` the worker takes no more than that at once, and when so many of this replay
    were held again, those still queued are held as well: the cure did not work. Several workers
    may each be at it then, so a few more can fail.
    """

    count: int
    order: Order = "oldest"
    stop_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who decides: a practice over its own letters, an operator over those of nobody, and
    whoever gives commands on a worker's host over all of them."""

    who: str
    practice_id: str | None = None
    everyones: bool = False
    why: str | None = None


_SUMMARY = """
    id, consumer_group, topic, partition, record_offset, practice_id, reason, field, detail, state,
    received_at, decided_at
"""
_OURS = """
    (:everyones OR practice_id IS NOT DISTINCT FROM :practice_id)
"""
_MATCH = """
    (:state ::text IS NULL OR state = :state)
    AND (:reason ::text IS NULL OR reason = :reason)
    AND (:topic ::text IS NULL OR topic = :topic)
    AND (:field ::text IS NULL OR field = :field)
    AND (:practice ::text IS NULL OR practice_id = :practice)
"""
_LIST = sa.text(f"""
    SELECT {_SUMMARY} FROM dead_letter WHERE {_OURS} AND {_MATCH} AND id > :after
    ORDER BY id LIMIT :limit
""")  # noqa: S608 - the parts are constants of this file
_GET = sa.text(f"""
    SELECT {_SUMMARY}, record_key, record_value, header_names, header_values, record_timestamp
    FROM dead_letter WHERE {_OURS} AND id = :id
""")  # noqa: S608 - as above
_COUNT = sa.text(f"""
    SELECT count(*) FROM (
        SELECT FROM dead_letter WHERE {_OURS} AND {_MATCH} LIMIT :limit) AS matching
""")  # noqa: S608 - as above
_QUEUE = sa.text(f"""
    WITH before AS MATERIALIZED (
        SELECT id, state AS was FROM dead_letter WHERE {_OURS} AND id = :id
          AND state IN ('held', 'queued', 'replayed') FOR UPDATE
    )
    UPDATE dead_letter SET state = 'queued', decided_at = NULL, replay_id = NULL, stop_after = NULL
    FROM before WHERE dead_letter.id = before.id
    RETURNING dead_letter.*, before.was
""")  # noqa: S608 - as above
_DROP = sa.text(f"""
    WITH before AS MATERIALIZED (
        SELECT id, state AS was FROM dead_letter WHERE {_OURS} AND id = :id
          AND state IN ('held', 'queued', 'dropped') FOR UPDATE
    )
    UPDATE dead_letter SET state = 'dropped', decided_at = coalesce(decided_at, clock_timestamp())
    FROM before WHERE dead_letter.id = before.id
    RETURNING dead_letter.*, before.was
""")  # noqa: S608 - as above
_QUEUE_MANY = """
    WITH chosen AS MATERIALIZED (  -- a plain IN (…) may run again for each row, past its limit
        SELECT id FROM dead_letter WHERE {ours} AND {match}
        ORDER BY id {direction} LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE dead_letter SET state = 'queued', decided_at = NULL, replay_id = :replay_id,
        stop_after = :stop_after
    FROM chosen WHERE dead_letter.id = chosen.id
"""
_MANY = {
    order: sa.text(_QUEUE_MANY.format(ours=_OURS, match=_MATCH, direction=direction))
    for order, direction in (("oldest", "ASC"), ("newest", "DESC"))
}


class DeadLetterStore:
    """The letters of one service, on its API's or its worker's role.

    Row-level security lets a practice's key see its own and an operator's those without a
    practice; every statement says the same once more. Each decision that changes something is
    audited with it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, who: Actor, wanted: DeadLetterFilter, *, after: int, limit: int
    ) -> Sequence[sa.Row[Any]]:
        """Up to `limit` letters with an id beyond `after`, oldest first, without their bytes."""
        with self._transaction(who) as tx:
            said = {**_words(who, wanted), "after": after, "limit": limit}
            return tx.execute(_LIST, said).all()

    def letter(self, who: Actor, letter_id: int) -> sa.Row[Any] | None:
        """One letter with its bytes; None when there is none for the caller."""
        with self._transaction(who) as tx:
            return tx.execute(_GET, {**_holder(who), "id": letter_id}).first()

    def queue(self, who: Actor, letter_id: int) -> sa.Row[Any] | None:
        """Ask for a replay; None when it was dropped, or there is none. Twice is as once."""
        return self._decide(_QUEUE, who, "replay", letter_id)

    def drop(self, who: Actor, letter_id: int) -> sa.Row[Any] | None:
        """Decide that it is not wanted; None when it was replayed already, or there is none."""
        return self._decide(_DROP, who, "drop", letter_id)

    def queue_many(self, who: Actor, wanted: DeadLetterFilter, policy: ReplayPolicy) -> int:
        """Ask for a replay of those that are held and match, by the policy; return how many."""
        said = {
            **_words(who, _held(wanted)),
            "limit": policy.count,
            "replay_id": uuid.uuid4().hex,
            "stop_after": policy.stop_after,
        }
        with self._transaction(who) as tx:
            queued = tx.execute(_MANY[policy.order], said).rowcount
            if queued:
                entry = audit.AuditEntry(
                    who.who, "replay", "letters", wanted.said(), who.why, count=queued
                )
                audit.record(tx, entry)
        return queued

    def count(self, who: Actor, wanted: DeadLetterFilter, policy: ReplayPolicy) -> int:
        """How many `queue_many` would queue at this moment; changes nothing."""
        with self._transaction(who) as tx:
            said = {**_words(who, _held(wanted)), "limit": policy.count}
            return int(tx.execute(_COUNT, said).scalar_one())

    def _decide(
        self, statement: sa.TextClause, who: Actor, action: audit.Action, letter_id: int
    ) -> sa.Row[Any] | None:
        with self._transaction(who) as tx:
            row = tx.execute(statement, {**_holder(who), "id": letter_id}).first()
            if row is not None and row.was != row.state:
                audit.record(
                    tx, audit.AuditEntry(who.who, action, "letters", str(letter_id), who.why)
                )
        return row

    def _transaction(self, who: Actor) -> AbstractContextManager[sa.Connection]:
        return self._database.transaction(who.practice_id, operator=who.practice_id is None)


def _held(wanted: DeadLetterFilter) -> DeadLetterFilter:
    return replace(wanted, state="held")


def _holder(who: Actor) -> dict[str, Any]:
    return {"everyones": who.everyones, "practice_id": who.practice_id}


def _words(who: Actor, wanted: DeadLetterFilter) -> dict[str, Any]:
    return {**_holder(who), **vars(wanted)}
