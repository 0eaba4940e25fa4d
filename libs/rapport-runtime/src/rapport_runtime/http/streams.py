"""Answers that stay open: how many there may be, for how long, and that they end with the process.

They are coroutines: one that waits holds neither a thread nor a database connection.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rapport_runtime.http.problems import TooManyRequests, Unavailable

TURN_SECONDS = 1.0
"""How often one that waits looks again: half of it is what following costs in time, on average."""

RETRY_SECONDS = 2
"""When to ask again for a place: others' answers end, but not at once."""


class Streams:
    """The open answers of one process.

    At most `places`, and `of_each` of one holder, so that none keeps all others out. Each ends
    after `longest_seconds` and its reader comes back: with a key that was revoked meanwhile it is
    not let in again. One event loop only.
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
        """End them all within a turn, and begin no more. May be called from a signal's handler."""
        self._is_closed = True

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[None]:
        """A place for one answer; raises `Unavailable` or, for this holder, `TooManyRequests`."""
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
        """When an answer that begins now and asked for so long must be over."""
        longest = self._longest_seconds
        return time.monotonic() + (longest if seconds is None else min(seconds, longest))

    def is_over(self, deadline: float) -> bool:
        """Whether an answer must end now."""
        return self._is_closed or time.monotonic() >= deadline

    async def pause(self) -> None:
        """Wait before looking again."""
        await asyncio.sleep(TURN_SECONDS)
