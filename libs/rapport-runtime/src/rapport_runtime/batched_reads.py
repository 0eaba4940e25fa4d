"""Queries from the event loop: those of many practices in one round trip, without a thread."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

ANSWER_SECONDS = 5.0
SEE_PRACTICE = b"select set_config('rapport.practice_id', %s, true)"
"""What row-level security looks at (`row_security.py`), for the rest of the transaction."""


class PracticeQuery(NamedTuple):
    """One statement for the rows of one practice, with a `%s` for each value. It must only read:
    a question that got no answer is asked again."""

    practice_id: str
    statement: bytes
    values: Sequence[Any]


class BatchedReads:
    """One connection that asks several questions at once, for one asker after the other.

    All of them are one simple query, hence one transaction, in which each statement sees its own
    practice's rows, as in `Database.transaction`. Nothing is connected before the first; `kwargs`
    are the driver's.
    """

    def __init__(self, conninfo: str, kwargs: Mapping[str, Any]) -> None:
        self._conninfo = conninfo
        self._kwargs = kwargs
        self._connection: psycopg.AsyncConnection | None = None

    async def fetch_many(self, questions: Sequence[PracticeQuery]) -> list[list[tuple[Any, ...]]]:
        """The rows of each question. Raises `psycopg.Error`, also after 5 s without an answer.

        A connection that broke since it was last used is replaced, once.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                kept = self._connection
                try:
                    return await self._asked(questions)
                except psycopg.OperationalError:
                    if kept is None or not kept.closed:
                        raise
                return await self._asked(questions)
        except TimeoutError:
            self.close()  # what it answers later is no answer to the next question
            msg = f"no answer within {ANSWER_SECONDS:g} s"
            raise psycopg.OperationalError(msg) from None

    async def _asked(self, questions: Sequence[PracticeQuery]) -> list[list[tuple[Any, ...]]]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, **self._kwargs
            )
        # The client's cursor: only a simple query takes many statements in one message. Pipelining
        # prepared ones took twice the time, all of it waiting on the loop (ADR 23).
        cursor = psycopg.AsyncClientCursor(connection)
        script = b";".join(SEE_PRACTICE + b";" + question.statement for question in questions)
        values = [v for asked in questions for v in (asked.practice_id, *asked.values)]
        await cursor.execute(script, values)
        answers = []
        for _ in questions:
            cursor.nextset()
            answers.append(await cursor.fetchall())
            cursor.nextset()
        return answers

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.pgconn.finish()  # as its own `close`, which has nothing to wait for
            self._connection = None
