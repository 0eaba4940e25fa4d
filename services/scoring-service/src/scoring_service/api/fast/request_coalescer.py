"""Concurrent reads of single clients share one round trip to the database."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from scoring_service.ports import StoredTier

Read = Callable[[Mapping[str, Collection[str]]], Awaitable[Mapping[str, Iterable[StoredTier]]]]
"""From client ids by practice to those that exist, by practice."""
_Waiting = dict[tuple[str, str], asyncio.Future[StoredTier | None]]


class RequestCoalescer:
    """Gives each caller one client, and reads those of many callers at once.

    While a read is under way, callers wait for the next one, which reads for all of them. A read
    begins after every call that it answers, so no caller gets an older answer than by a read of
    its own. There is never more than one read at a time. For one event loop.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: _Waiting = {}
        self._reader: asyncio.Task[None] | None = None

    async def load(self, practice_id: str, client_id: str) -> StoredTier | None:
        """The client, None if the practice has no such client; raises what `read` raises."""
        answer = self._waiting.get((practice_id, client_id))
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[practice_id, client_id] = answer
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_all())
        return await asyncio.shield(answer)  # a cancelled caller must not cancel the others

    async def _read_all(self) -> None:
        """Read until nobody waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                await self._answer(batch)
        finally:
            self._reader = None

    async def _answer(self, batch: _Waiting) -> None:
        ids: dict[str, list[str]] = {}
        for practice_id, client_id in batch:
            ids.setdefault(practice_id, []).append(client_id)
        try:
            rows = await self._read(ids)
            found = {(practice, row.client_id): row for practice in rows for row in rows[practice]}
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller gets it
            for answer in batch.values():
                answer.set_exception(error)
                answer.exception()  # mark as retrieved, even if all callers were cancelled
        else:
            for key, answer in batch.items():
                answer.set_result(found.get(key))
