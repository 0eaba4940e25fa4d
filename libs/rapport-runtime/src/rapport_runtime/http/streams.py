"""Answers that stay open: how many there may be, for how long, and that they end with the process.

Each is a coroutine: while it waits it holds neither a thread nor a database connection.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rapport_runtime.http.problems import TooManyRequests, Unavailable

TURN_SECONDS = 1.0
"""Seconds between two looks of an open answer; a change is seen half of that late on average."""

RETRY_SECONDS = 2
"""The `Retry-After` of a refused reader: the answers of others end, but not at once."""


class Streams:
    """The open answers of one process.

    There may be `places` at once, `of_each` of them for one holder, so that no holder keeps all
    others out. Each ends after `longest_seconds`, and its reader connects again: a key that was
    revoked meanwhile is then refused. For one event loop only.
    """

    def __init__(
        self, places: int = 50, *, of_each: int = 10, longest_seconds: float = 900.0
    ) -> None:
        self._places = places
        self._of_each = of_each
        self._longest_seconds = longest_seconds
        self._open: Counter[str] = Counter()
        self._is_closed = False

    def close(self) -> None:
        """End all answers within `TURN_SECONDS` and begin no more. A signal handler may call it."""
        self._is_closed = True

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[None]:
        """Hold a place for one answer.

        Raises `Unavailable` when all places are taken or the process stops, and `TooManyRequests`
        when the holder has all of its own.
        """
        if self._is_closed or self._open.total() >= self._places:
            raise Unavailable("no more answers can be kept open; ask another process, or later")
        if self._open[holder] >= self._of_each:
            msg = f"at most {self._of_each} answers may be kept open by one practice"
            raise TooManyRequests(msg, retry_after_seconds=RETRY_SECONDS)
        self._open[holder] += 1
        try:
            yield
        finally:
            self._open[holder] -= 1

    def deadline(self, seconds: float | None = None) -> float:
        """The end, on the monotonic clock, of an answer that begins now.

        It may last `seconds`, and `longest_seconds` at most.
        """
        longest = self._longest_seconds
        return time.monotonic() + (longest if seconds is None else min(seconds, longest))

    def is_over(self, deadline: float) -> bool:
        """Whether an answer with this deadline must end now."""
        return self._is_closed or time.monotonic() >= deadline

    async def pause(self) -> None:
        """Wait for `TURN_SECONDS`."""
        await asyncio.sleep(TURN_SECONDS)
