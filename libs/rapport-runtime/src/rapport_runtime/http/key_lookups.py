"""Looks up the keys that this process does not remember: guesses cost little, and delay nobody."""

import asyncio
from collections.abc import Mapping

from rapport_runtime.http.api_keys import KeyVerifier, Principal
from rapport_runtime.http.failed_keys import FailedKeys
from rapport_runtime.http.own_threads import OwnThreads
from rapport_runtime.http.problems import TooManyRequests, Unauthorised

TURN_SECONDS = 1.0
"""So often the keys of addresses without a try left are looked up, all at once."""
LINE = 10_000
"""So many keys wait for their turn; a further one is told to come again."""


class KeyLookups:
    """The look-ups of one process, for one event loop.

    A look-up of a key is shared by all who send it meanwhile. A key from an address that has no try
    left (see `FailedKeys`) waits for its turn: once a second, all that wait are looked up by one
    statement. So a good key holds there too, a second later, while guesses cost the database no
    more than one statement a second.
    """

    def __init__(self, failures: FailedKeys, threads: OwnThreads) -> None:
        self._failures = failures
        self._threads = threads
        self._under_way: dict[str, asyncio.Task[Principal | None]] = {}
        self._reading = asyncio.Lock()
        self._began = float("-inf")
        self._waiting: set[str] = set()
        self._turn: asyncio.Task[Mapping[str, Principal]] | None = None

    async def holder_of(self, keys: KeyVerifier, raw_key: str, address: str) -> Principal:
        """The key's holder. Raises `Unauthorised`, and `TooManyRequests` for a key that does not
        hold, or finds no room in the line, from an address without a try left; and what the
        look-up raises, which costs nobody a try."""
        looking = self._under_way.get(raw_key) or self._begin(keys, raw_key, address)
        if looking is not None:
            found = await asyncio.shield(looking)
        else:
            found = await self._in_turn(keys, raw_key)
        if found is not None:
            self._failures.held(raw_key)
            return found
        self._failures.failed(raw_key)
        if looking is not None:
            raise Unauthorised("the key is unknown, revoked or expired")
        raise _too_many(self._failures.wait_seconds(address))

    def _begin(
        self, keys: KeyVerifier, raw_key: str, address: str
    ) -> "asyncio.Task[Principal | None] | None":
        """The look-up of a key that is good, or paid for; None for any other."""
        is_good = self._failures.has_held(raw_key)
        if not is_good and not self._failures.pay(address):
            return None
        looking = asyncio.create_task(self._look_up(keys, raw_key, None if is_good else address))
        self._under_way[raw_key] = looking
        looking.add_done_callback(lambda _: self._under_way.pop(raw_key, None))
        return looking

    async def _look_up(
        self, keys: KeyVerifier, raw_key: str, payer: str | None
    ) -> Principal | None:
        is_guess = False
        try:
            found = await self._threads.run(keys.verify, raw_key)
            is_guess = found is None
            return found
        finally:  # what raises has not told whether the key holds
            if payer is not None and not is_guess:
                self._failures.pay_back(payer)

    async def _in_turn(self, keys: KeyVerifier, raw_key: str) -> Principal | None:
        if raw_key not in self._waiting and len(self._waiting) >= LINE:
            raise _too_many(1)
        self._waiting.add(raw_key)
        if self._turn is None or self._turn.done():
            self._turn = asyncio.create_task(self._next_turn(keys))
        return (await asyncio.shield(self._turn)).get(raw_key)

    async def _next_turn(self, keys: KeyVerifier) -> Mapping[str, Principal]:
        loop = asyncio.get_running_loop()
        async with self._reading:
            await asyncio.sleep(max(0.0, self._began + TURN_SECONDS - loop.time()))
            self._began = loop.time()
            asked, self._waiting, self._turn = self._waiting, set(), None
            return await self._threads.run(keys.verify_many, asked)


def _too_many(seconds: int) -> TooManyRequests:
    return TooManyRequests("too many keys did not hold", retry_after_seconds=max(1, seconds))
