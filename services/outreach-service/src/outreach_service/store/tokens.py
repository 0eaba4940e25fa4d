"""Provider tokens shared by all workers: sealed in a row, fetched by one at a time (R19)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from outreach_service.ports import Token
from outreach_service.sealing import CannotUnseal, Keyring, Place
from rapport_runtime.database import Database

_GET = sa.text("SELECT sealed_token, expires_at FROM provider_token WHERE account = :account")
_PUT = sa.text("""
    INSERT INTO provider_token (account, sealed_token, expires_at)
    VALUES (:account, :sealed_token, :expires_at)
    ON CONFLICT (account) DO UPDATE
    SET sealed_token = excluded.sealed_token, expires_at = excluded.expires_at
""")
_LOCK = sa.text("SELECT pg_advisory_lock(hashtextextended('token ' || :account, 0))")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(hashtextextended('token ' || :account, 0))")


class PostgresTokens:
    """A `TokenStore`; statements run on threads, so that other sends go on meanwhile."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def get(self, account: str) -> Token | None:
        """See `TokenStore.get`; a token that our keys no longer open is no token."""
        return await asyncio.to_thread(self._get, account)

    async def put(self, account: str, token: Token) -> None:
        """See `TokenStore.put`."""
        await asyncio.to_thread(self._put, account, token)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """See `TokenStore.lock`: a session lock, held on a connection of its own."""
        connection = await asyncio.to_thread(self._database.engine.connect)
        try:
            await asyncio.to_thread(connection.execute, _LOCK, {"account": account})
            connection.commit()
            yield
        finally:
            await asyncio.to_thread(self._release, connection, account)

    def _release(self, connection: sa.Connection, account: str) -> None:
        try:
            connection.execute(_UNLOCK, {"account": account})
        finally:
            connection.invalidate()
            connection.close()

    def _get(self, account: str) -> Token | None:
        with self._database.transaction() as tx:
            row = tx.execute(_GET, {"account": account}).one_or_none()
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
            tx.execute(_PUT, row)


def _place(account: str) -> Place:
    return Place("", account, "provider-token")
