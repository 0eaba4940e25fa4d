"""Reads from the event loop: the queries of many practices in one round trip, without a thread."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

ANSWER_SECONDS = 5.0
SEE_PRACTICE = "select set_config('rapport.practice_id', %(practice_id)s, true)"
"""Sets what row-level security compares with (`row_security.py`), until the transaction ends."""

_PLACEHOLDER = re.compile(r"%%|%\((\w+)\)")


class PracticeQuery(NamedTuple):
    """One statement for the rows of one practice, and the values of its placeholders `%(name)s`.
    It must only read: a query without an answer is sent again."""

    practice_id: str
    statement: str
    parameters: Mapping[str, Any]


class BatchedReads:
    """One connection, for one caller after the other, each with any number of queries.

    The queries of a call are one simple query, hence one transaction, in which each statement sees
    its own practice's rows, as in `Database.transaction`. The first call connects; `kwargs` are
    the driver's.
    """

    def __init__(
        self,
        conninfo: str,
        kwargs: Mapping[str, Any],
        *,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._conninfo = conninfo
        self._kwargs = kwargs
        self._answer_seconds = answer_seconds
        self._connection: psycopg.AsyncConnection | None = None

    async def fetch_many(self, queries: Sequence[PracticeQuery]) -> list[list[Any]]:
        """The rows of each query, as named tuples. Raises `psycopg.Error`, also when there is no
        answer within `answer_seconds`.

        A connection that broke since it was last used is replaced, once.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                connection = self._connection
                try:
                    return await self._fetch(queries)
                except psycopg.OperationalError:
                    if connection is None or not connection.closed:
                        raise
                return await self._fetch(queries)
        except TimeoutError:
            self.close()  # a late answer would be taken for the next call's
            msg = f"no answer within {self._answer_seconds:g} s"
            raise psycopg.OperationalError(msg) from None

    async def _fetch(self, queries: Sequence[PracticeQuery]) -> list[list[Any]]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, **self._kwargs
            )
        # The client's cursor: only a simple query takes many statements in one message. Pipelining
        # prepared ones took twice the time, all of it waiting on the loop (ADR 23).
        cursor = psycopg.AsyncClientCursor(connection, row_factory=namedtuple_row)
        script = ";".join(_numbered(query.statement, n) for n, query in enumerate(queries))
        parameters: dict[str, Any] = {}
        for n, query in enumerate(queries):
            parameters[f"practice_id_of_{n}"] = query.practice_id
            for name, value in query.parameters.items():
                parameters[f"{name}_{n}"] = value
        await cursor.execute(script.encode(), parameters)
        answers = []
        for _ in queries:
            cursor.nextset()
            answers.append(await cursor.fetchall())
            cursor.nextset()
        return answers

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.pgconn.finish()  # as its own `close`, which has nothing to wait for
            self._connection = None


@lru_cache(maxsize=1_024)
def _numbered(statement: str, number: int) -> str:
    """What the query of this number sends: each name has the number, to be unique in the script."""

    def named(found: re.Match[str]) -> str:
        return f"%({found[1]}_{number})" if found[1] else found[0]

    see_practice = SEE_PRACTICE.replace("practice_id)s", f"practice_id_of_{number})s")
    return f"{see_practice};{_PLACEHOLDER.sub(named, statement)}"
