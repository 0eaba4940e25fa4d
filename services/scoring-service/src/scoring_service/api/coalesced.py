"""Reads of single clients that arrive together share one transaction: the hot path of the API."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from fastapi.concurrency import run_in_threadpool

from scoring_service.ports import ClientTier

Read = Callable[[str, Collection[str]], Iterable[ClientTier]]
"""From a practice and client ids to those that exist; blocking."""


class Coalesced:
    """Asks `read` for one client at a time on behalf of each caller, for many at once in fact.

    While a read of a practice is under way whoever asks for another of its clients waits for the
    next one, which takes them all. A read begins after the question that it answers, so nobody
    gets an older answer than by asking alone. For one event loop.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: dict[str, dict[str, asyncio.Future[ClientTier | None]]] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}

    async def one(self, practice_id: str, client_id: str) -> ClientTier | None:
        """The client's tier, None if the practice has no such client; raises what `read` raises."""
        waiting = self._waiting.setdefault(practice_id, {})
        answer = waiting.get(client_id)
        if answer is None:
            answer = waiting[client_id] = asyncio.get_running_loop().create_future()
        if practice_id not in self._readers:
            self._readers[practice_id] = asyncio.create_task(self._read_all(practice_id))
        return await asyncio.shield(answer)  # one caller who goes away takes nobody else along

    async def _read_all(self, practice_id: str) -> None:
        """Read for a practice until nobody waits."""
        try:
            while asked := self._waiting.pop(practice_id, None):
                await self._answer(practice_id, asked)
        finally:
            del self._readers[practice_id]

    async def _answer(
        self, practice_id: str, asked: dict[str, asyncio.Future[ClientTier | None]]
    ) -> None:
        try:
            rows = await run_in_threadpool(self._read, practice_id, asked.keys())
            found = {row.client_id: row for row in rows}
        except Exception as error:  # noqa: BLE001 - whatever it was, those who asked are told
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # seen, even if all who asked have gone away
        else:
            for client_id, answer in asked.items():
                answer.set_result(found.get(client_id))
