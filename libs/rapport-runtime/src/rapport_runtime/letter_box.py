"""Dead letters as people see and decide them: by practice, or, for operators, those of nobody."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rapport_runtime.auth import Principal
from rapport_runtime.database import Database


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which letters: each part that is not None must be equal."""

    state: str | None = None
    reason: str | None = None
    topic: str | None = None


_SUMMARY = """
    id, consumer_group, topic, partition, record_offset, practice_id, reason, field, detail, state,
    received_at, decided_at
"""
_OURS = """
    practice_id IS NOT DISTINCT FROM :practice_id
"""
_MATCH = """
    (:state ::text IS NULL OR state = :state)
    AND (:reason ::text IS NULL OR reason = :reason)
    AND (:topic ::text IS NULL OR topic = :topic)
"""
_LIST = sa.text(f"""
    SELECT {_SUMMARY} FROM dead_letter WHERE {_OURS} AND {_MATCH} AND id > :after
    ORDER BY id LIMIT :limit
""")  # noqa: S608 - the parts are constants of this file
_GET = sa.text(f"""
    SELECT {_SUMMARY}, record_key, record_value, header_names, header_values, record_timestamp
    FROM dead_letter WHERE {_OURS} AND id = :id
""")  # noqa: S608 - as above
_QUEUE = sa.text(f"""
    UPDATE dead_letter SET state = 'queued', decided_at = NULL
    WHERE {_OURS} AND id = :id AND state IN ('held', 'queued', 'replayed')
    RETURNING {_SUMMARY}
""")  # noqa: S608 - as above
_DROP = sa.text(f"""
    UPDATE dead_letter SET state = 'dropped', decided_at = coalesce(decided_at, clock_timestamp())
    WHERE {_OURS} AND id = :id AND state IN ('held', 'queued', 'dropped')
    RETURNING {_SUMMARY}
""")  # noqa: S608 - as above
_QUEUE_MANY = sa.text(f"""
    WITH oldest AS MATERIALIZED (  -- a plain IN (…) may run again for each row, past its limit
        SELECT id FROM dead_letter WHERE {_OURS} AND {_MATCH}
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE dead_letter SET state = 'queued', decided_at = NULL
    FROM oldest WHERE dead_letter.id = oldest.id
""")  # noqa: S608 - as above


class LetterBox:
    """The letters of one service, on its API's role.

    Row-level security lets a practice's key see its own and an operator's those without a
    practice; every statement says the same once more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, who: Principal, wanted: LetterFilter, *, after: int, limit: int
    ) -> Sequence[sa.Row[Any]]:
        """Up to `limit` letters with an id beyond `after`, oldest first, without their bytes."""
        return self._ask(_LIST, who, **_words(wanted), after=after, limit=limit)

    def letter(self, who: Principal, letter_id: int) -> sa.Row[Any] | None:
        """One letter with its bytes; None when there is none for the caller."""
        return next(iter(self._ask(_GET, who, id=letter_id)), None)

    def queue(self, who: Principal, letter_id: int) -> sa.Row[Any] | None:
        """Ask for a replay; None when it was dropped, or there is none. Twice is as once."""
        return next(iter(self._ask(_QUEUE, who, id=letter_id)), None)

    def drop(self, who: Principal, letter_id: int) -> sa.Row[Any] | None:
        """Decide that it is not wanted; None when it was replayed already, or there is none."""
        return next(iter(self._ask(_DROP, who, id=letter_id)), None)

    def queue_many(self, who: Principal, wanted: LetterFilter, count: int) -> int:
        """Ask for a replay of the `count` oldest that are held and match; return how many."""
        held = LetterFilter(state="held", reason=wanted.reason, topic=wanted.topic)
        with self._transaction(who) as tx:
            said = {"practice_id": who.practice_id, "limit": count, **_words(held)}
            return int(tx.execute(_QUEUE_MANY, said).rowcount)

    def _ask(self, statement: sa.TextClause, who: Principal, **said: Any) -> Sequence[sa.Row[Any]]:
        with self._transaction(who) as tx:
            return tx.execute(statement, {"practice_id": who.practice_id, **said}).all()

    def _transaction(self, who: Principal) -> AbstractContextManager[sa.Connection]:
        return self._database.transaction(who.practice_id, operator=who.practice_id is None)


def _words(wanted: LetterFilter) -> dict[str, str | None]:
    return {"state": wanted.state, "reason": wanted.reason, "topic": wanted.topic}
