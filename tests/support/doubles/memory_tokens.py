"""Access tokens in the memory of a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outreach_service.ports import Token


class MemoryTokens:
    """A TokenStore whose tokens nobody else sees and which ends with the process."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, account: str) -> Token | None:
        """The account's token as last put."""
        return self._tokens.get(account)

    async def put(self, account: str, token: Token) -> None:
        """Replace the account's token."""
        self._tokens[account] = token

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """A lock for the one that fetches."""
        async with self._locks.setdefault(account, asyncio.Lock()):
            yield
