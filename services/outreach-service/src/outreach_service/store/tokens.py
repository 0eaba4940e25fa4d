"""Provider tokens that all workers share: sealed in a row, fetched by one at a time (R19)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from outreach_service.ports import Token, TokenStoreUnavailable
from outreach_service.sealing import ContactKeyring, Place
from rapport_runtime.database import Database, execute, fetch, fetch_one
from rapport_runtime.db_errors import DatabaseError
from rapport_runtime.sealing import CannotUnseal

T = TypeVar("T")

_GET = "SELECT sealed_token, expires_at FROM provider_token WHERE account = %(account)s"
_PUT = """
    INSERT INTO provider_token (account, sealed_token, expires_at)
    VALUES (%(account)s, %(sealed_token)s, %(expires_at)s)
    ON CONFLICT (account) DO UPDATE
    SET sealed_token = excluded.sealed_token, expires_at = excluded.expires_at
"""
_LOCK = "SELECT pg_advisory_lock(hashtextextended('token ' || %(account)s, 0))"


class PostgresTokens:
    """A `TokenStore`; statements run on threads, so that other sends go on meanwhile."""

    def __init__(self, database: Database, keyring: ContactKeyring) -> None:
        self._database = database
        self._keyring = keyring
        self._turn = asyncio.Lock()

    async def get(self, account: str) -> Token | None:
        """See `TokenStore.get`; a token that our keys no longer open is no token."""
        return await asyncio.to_thread(_or_unavailable, self._get, account)

    async def put(self, account: str, token: Token) -> None:
        """See `TokenStore.put`."""
        await asyncio.to_thread(_or_unavailable, self._put, account, token)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """See `TokenStore.lock`: a session lock, held on a connection of its own.

        One of this process's sends asks at a time: many at once would hold every thread and
        connection that the holder of the lock needs to go on. The lock ends with its connection.
        """
        async with self._turn:
            connection = await asyncio.to_thread(_or_unavailable, self._database.engine.connect)
            try:
                await asyncio.to_thread(_or_unavailable, _take, connection, account)
                yield
            finally:
                await asyncio.to_thread(_end, connection)

    def _get(self, account: str) -> Token | None:
        with self._database.transaction() as tx:
            row = fetch_one(tx, _GET, {"account": account})
        if row is None:
            return None
        try:
            value = self._keyring.unseal(row.sealed_token, _place(account))
        except CannotUnseal:
            return None
        return Token(value, row.expires_at)

    def _put(self, account: str, token: Token) -> None:
        sealed = self._keyring.seal(token.value, _place(account))
        row = {"account": account, "sealed_token": sealed, "expires_at": token.expires_at}
        with self._database.transaction() as tx:
            execute(tx, _PUT, row)


def _or_unavailable(call: Callable[..., T], *arguments: Any) -> T:
    """What the call returns. A database that is away, or a lock that another worker holds for too
    long, is no answer of a provider's: raises TokenStoreUnavailable."""
    try:
        return call(*arguments)
    except (*DatabaseError, sa.exc.TimeoutError) as error:  # the latter: no connection was free
        raise TokenStoreUnavailable(type(error).__name__) from error


def _take(connection: sa.Connection, account: str) -> None:
    with connection.begin():
        fetch(connection, _LOCK, {"account": account})


def _end(connection: sa.Connection) -> None:
    connection.invalidate()
    connection.close()


def _place(account: str) -> Place:
    return Place("", account, "provider-token")
