"""Reads that share one round trip: each caller gets its own answer, and no older one."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from scoring_service.api.fast.request_coalescer import RequestCoalescer
from scoring_service.ports import StoredTier

SECONDS = 30
Found = Mapping[str, list[StoredTier]]


class Store:
    """Answers for every client but `nobody`, when it may; `reads` are the ids of each read."""

    def __init__(self) -> None:
        self.reads: list[dict[str, set[str]]] = []
        self.version = 0
        self.reading = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def of_practices(self, client_ids_by_practice: Mapping[str, Collection[str]]) -> Found:
        """One read."""
        version = self.version
        self.reads.append({practice: set(ids) for practice, ids in client_ids_by_practice.items()})
        self.reading.set()
        await self.may_answer.wait()
        return {
            practice: [
                StoredTier(one, practice, b"", *[None] * 3, version, *[None] * 5)
                for one in ids
                if one != "nobody"
            ]
            for practice, ids in client_ids_by_practice.items()
        }


async def _all(*loads: object) -> list[StoredTier | None]:
    return await asyncio.wait_for(asyncio.gather(*loads), SECONDS)  # type: ignore[call-overload]


async def _under_way(store: Store) -> None:
    await asyncio.wait_for(store.reading.wait(), SECONDS)


def test_callers_during_a_read_share_the_next_one() -> None:
    async def scenario() -> None:
        store = Store()
        coalescer = RequestCoalescer(store.of_practices)
        store.may_answer.clear()
        first = asyncio.create_task(coalescer.load("north", "a"))
        await _under_way(store)
        others = [asyncio.create_task(coalescer.load("north", name)) for name in ("b", "c", "b")]
        await asyncio.sleep(0)
        store.may_answer.set()
        answers = await _all(first, *others)
        assert [answer and answer.client_id for answer in answers] == ["a", "b", "c", "b"]
        assert store.reads == [{"north": {"a"}}, {"north": {"b", "c"}}]

    asyncio.run(scenario())


def test_a_caller_never_gets_the_answer_of_a_read_that_began_before() -> None:
    async def scenario() -> None:
        store = Store()
        coalescer = RequestCoalescer(store.of_practices)
        store.may_answer.clear()
        early = asyncio.create_task(coalescer.load("north", "a"))
        await _under_way(store)
        store.version = 1  # committed after the first read began
        late = asyncio.create_task(coalescer.load("north", "a"))
        await asyncio.sleep(0)
        store.may_answer.set()
        answers = await _all(early, late)
        assert [answer and answer.version for answer in answers] == [0, 1]

    asyncio.run(scenario())


def test_practices_share_a_read_and_never_an_answer() -> None:
    async def scenario() -> None:
        store = Store()
        coalescer = RequestCoalescer(store.of_practices)
        answers = await _all(*(coalescer.load(practice, "a") for practice in ("north", "south")))
        assert [answer and answer.zone for answer in answers] == ["north", "south"]
        assert store.reads == [{"north": {"a"}, "south": {"a"}}]

    asyncio.run(scenario())


def test_an_unknown_client_is_none_and_takes_nobody_along() -> None:
    async def scenario() -> None:
        coalescer = RequestCoalescer(Store().of_practices)
        answers = await _all(coalescer.load("north", "nobody"), coalescer.load("north", "a"))
        assert answers[0] is None
        assert answers[1] is not None

    asyncio.run(scenario())


def test_a_failed_read_fails_for_all_its_callers_and_the_next_one_works() -> None:
    failures = [OSError("the database is away")]

    async def read(client_ids_by_practice: Mapping[str, Collection[str]]) -> Found:
        if failures:
            raise failures.pop()
        return await Store().of_practices(client_ids_by_practice)

    async def scenario() -> None:
        coalescer = RequestCoalescer(read)
        both = (coalescer.load("north", "a"), coalescer.load("south", "b"))
        errors = await asyncio.gather(*both, return_exceptions=True)
        assert [str(error) for error in errors] == ["the database is away"] * 2
        assert await coalescer.load("north", "a") is not None

    asyncio.run(scenario())


def test_a_caller_who_goes_away_takes_nobody_along() -> None:
    async def scenario() -> None:
        store = Store()
        coalescer = RequestCoalescer(store.of_practices)
        store.may_answer.clear()
        gone = asyncio.create_task(coalescer.load("north", "a"))
        stays = asyncio.create_task(coalescer.load("north", "a"))
        await _under_way(store)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        store.may_answer.set()
        answers = await _all(stays)
        assert answers[0] is not None

    asyncio.run(scenario())
