"""Reads of single clients that arrive together share one round trip: the hot path of the API."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from scoring_service.ports import ClientTier

Read = Callable[[Mapping[str, Collection[str]]], Awaitable[Mapping[str, Iterable[ClientTier]]]]
"""From client ids by practice to those that exist, by practice."""
_Waiting = dict[tuple[str, str], asyncio.Future[ClientTier | None]]


class RequestCoalescer:
    """Asks `read` for one client at a time on behalf of each caller, for many at once in fact.

    While a read is under way whoever asks for another client waits for the next one, which takes
    them all. A read begins after the question that it answers, so nobody gets an older answer than
    by asking alone. There is never more than one at a time. For one event loop.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: _Waiting = {}
        self._reader: asyncio.Task[None] | None = None

    async def load(self, practice_id: str, client_id: str) -> ClientTier | None:
        """The client's tier, None if the practice has no such client; raises what `read` raises."""
        answer = self._waiting.get((practice_id, client_id))
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[practice_id, client_id] = answer
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_all())
        return await asyncio.shield(answer)  # one caller who goes away takes nobody else along

    async def _read_all(self) -> None:
        """Read until nobody waits."""
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._answer(asked)
        finally:
            self._reader = None

    async def _answer(self, asked: _Waiting) -> None:
        ids: dict[str, list[str]] = {}
        for practice_id, client_id in asked:
            ids.setdefault(practice_id, []).append(client_id)
        try:
            read = await self._read(ids)
            found = {(practice, row.client_id): row for practice in read for row in read[practice]}
        except Exception as error:  # noqa: BLE001 - whatever it was, those who asked are told
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # seen, even if all who asked have gone away
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
