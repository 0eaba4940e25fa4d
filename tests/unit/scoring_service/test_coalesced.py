"""Reads that share one transaction: each caller gets the own answer, and no older one."""

import asyncio
import threading
from collections.abc import Collection, Iterable

import pytest

from scoring_service.api.coalesced import Coalesced
from scoring_service.ports import ClientTier

SECONDS = 30


class Store:
    """Answers for every client but `nobody`, when it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, set[str]]] = []
        self.version = 0
        self.reading = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> Iterable[ClientTier]:
        """One read."""
        version = self.version
        self.asked.append((practice_id, set(client_ids)))
        self.reading.set()
        assert self.may_answer.wait(SECONDS)
        return [
            ClientTier(one, "UTC", version, None, None, 0, None)
            for one in client_ids
            if one != "nobody"
        ]


async def _all(*asked: object) -> list[ClientTier | None]:
    return await asyncio.wait_for(asyncio.gather(*asked), SECONDS)  # type: ignore[call-overload]


async def _under_way(store: Store) -> None:
    assert await asyncio.to_thread(store.reading.wait, SECONDS)


def test_who_asks_during_a_read_shares_the_next_one() -> None:
    store = Store()

    async def scenario() -> None:
        reads = Coalesced(store.of_clients)
        store.may_answer.clear()
        first = asyncio.create_task(reads.one("north", "a"))
        await _under_way(store)
        others = [asyncio.create_task(reads.one("north", name)) for name in ("b", "c", "b")]
        await asyncio.sleep(0)
        store.may_answer.set()
        answers = await _all(first, *others)
        assert [answer and answer.client_id for answer in answers] == ["a", "b", "c", "b"]

    asyncio.run(scenario())
    assert store.asked == [("north", {"a"}), ("north", {"b", "c"})]


def test_a_question_is_never_answered_by_a_read_that_began_before_it() -> None:
    store = Store()

    async def scenario() -> None:
        reads = Coalesced(store.of_clients)
        store.may_answer.clear()
        early = asyncio.create_task(reads.one("north", "a"))
        await _under_way(store)
        store.version = 1  # committed after the first read began
        late = asyncio.create_task(reads.one("north", "a"))
        await asyncio.sleep(0)
        store.may_answer.set()
        answers = await _all(early, late)
        assert [answer and answer.version for answer in answers] == [0, 1]

    asyncio.run(scenario())


def test_practices_never_share_a_read() -> None:
    store = Store()

    async def scenario() -> None:
        reads = Coalesced(store.of_clients)
        await _all(*(reads.one(practice, "a") for practice in ("north", "south", "north")))

    asyncio.run(scenario())
    assert sorted(store.asked) == [("north", {"a"}), ("south", {"a"})]


def test_an_unknown_client_is_none_and_takes_nobody_along() -> None:
    async def scenario() -> None:
        reads = Coalesced(Store().of_clients)
        answers = await _all(reads.one("north", "nobody"), reads.one("north", "a"))
        assert answers[0] is None
        assert answers[1] is not None

    asyncio.run(scenario())


def test_a_failed_read_is_told_to_all_who_asked_and_the_next_one_works() -> None:
    store = Store()
    failures = [OSError("the database is away")]

    def read(practice_id: str, client_ids: Collection[str]) -> Iterable[ClientTier]:
        if failures:
            raise failures.pop()
        return store.of_clients(practice_id, client_ids)

    async def scenario() -> None:
        reads = Coalesced(read)
        both = (reads.one("north", "a"), reads.one("north", "b"))
        told = await asyncio.gather(*both, return_exceptions=True)
        assert [str(error) for error in told] == ["the database is away"] * 2
        assert await reads.one("north", "a") is not None

    asyncio.run(scenario())


def test_a_caller_who_goes_away_takes_nobody_along() -> None:
    store = Store()

    async def scenario() -> None:
        reads = Coalesced(store.of_clients)
        store.may_answer.clear()
        gone = asyncio.create_task(reads.one("north", "a"))
        stays = asyncio.create_task(reads.one("north", "a"))
        await _under_way(store)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        store.may_answer.set()
        answers = await _all(stays)
        assert answers[0] is not None

    asyncio.run(scenario())
