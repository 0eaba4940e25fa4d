"""Who may use a process's request connections, and who is next: shares by practice, by turns."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rapport_runtime.http.problems import TooManyRequests, Unavailable

RETRY_SECONDS = 2
"""The `Retry-After` of who has waited in vain: places are given back all the time."""

SHARE_TAKEN = "share-taken"
"""The reason in the problem of a practice that has all the places that it may have."""

ALL_TAKEN = "all-places-taken"
"""The reason in the problem when the places are held by others."""


@dataclass(frozen=True, kw_only=True)
class PlaceLimits:
    """How many places a process has, how long a request waits for one, and how many requests of
    one holder may wait."""

    places: int = 10
    wait_seconds: float = 5.0
    line: int = 50


class Places:
    """The places of one process for requests that use the database: one for each connection.

    A holder is a practice; all operators are one. It may take a further place only while it holds
    fewer than are free. So one alone gets half of them, two get most of them evenly, and one that
    holds none always finds a place as long as any is free. Who may not take one waits in its
    holder's own line, first in, first out; lines are served by turns, one place at a time. For one
    event loop: no thread waits.
    """

    def __init__(self, limits: PlaceLimits | None = None) -> None:
        self._limits = limits or PlaceLimits()
        self._free = self._limits.places
        self._held: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[None]:
        """Hold a place; raises as `take` does."""
        await self.take(holder)
        try:
            yield
        finally:
            self.give_back(holder)

    async def take(self, holder: str) -> None:
        """Take a place; `give_back` must follow.

        When none came within the time to wait, or the line is full, raises `TooManyRequests` if the
        holder has its share, and `Unavailable` if others hold all.
        """
        line = self._lines.get(holder)
        if line is None and self._may_take(holder):
            self._give(holder)
            return
        if line is not None and len(line) >= self._limits.line:
            raise self._refusal(holder)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(holder, deque()).append(turn)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except TimeoutError:
            self._leave(holder, turn)
            raise self._refusal(holder) from None
        except BaseException:
            self._leave(holder, turn)
            raise

    def give_back(self, holder: str) -> None:
        """Give a place back, to who is next."""
        self._free += 1
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]
        self._serve()

    def _may_take(self, holder: str) -> bool:
        return self._held[holder] < self._free

    def _give(self, holder: str) -> None:
        self._free -= 1
        self._held[holder] += 1

    def _serve(self) -> None:
        """Give places to lines by turns, as long as anybody who waits may take one."""
        while (holder := next(filter(self._may_take, self._lines), None)) is not None:
            line = self._lines[holder]
            turn = line.popleft()
            self._lines.move_to_end(holder)
            if not line:
                del self._lines[holder]
            if not turn.done():
                self._give(holder)
                turn.set_result(None)

    def _leave(self, holder: str, turn: "asyncio.Future[None]") -> None:
        """Take back what a request waited for that waits no more: its turn, or a place that it was
        given at that very moment."""
        if turn.done() and not turn.cancelled():
            self.give_back(holder)
            return
        line = self._lines.get(holder)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._lines[holder]

    def _refusal(self, holder: str) -> TooManyRequests | Unavailable:
        held, places = self._held[holder], self._limits.places
        if held:
            return TooManyRequests(
                f"your requests hold {held} of {places} places, which is your share for now: send"
                " fewer at once",
                reason=SHARE_TAKEN,
                retry_after_seconds=RETRY_SECONDS,
            )
        return Unavailable(
            f"requests of others hold all {places} places",
            reason=ALL_TAKEN,
            retry_after_seconds=RETRY_SECONDS,
        )
