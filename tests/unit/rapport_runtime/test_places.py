"""One practice cannot keep another waiting: shares of a process's places, and turns at them."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from rapport_runtime.http.places import PlaceLimits, Places
from rapport_runtime.http.problems import TooManyRequests, Unavailable

TEN = PlaceLimits(places=10, wait_seconds=0)
PATIENT = PlaceLimits(places=10, wait_seconds=600)


async def taken(places: Places, holder: str, requests: int) -> int:
    """How many of so many requests get a place at once."""
    refused = 0
    for _ in range(requests):
        try:
            await places.take(holder)
        except (TooManyRequests, Unavailable):
            refused += 1
    return requests - refused


async def in_line(
    places: Places, holder: str, requests: int, served: list[str]
) -> list["asyncio.Task[None]"]:
    """So many requests that wait; each says when it is served."""

    async def wait() -> None:
        await places.take(holder)
        served.append(holder)

    waiting = [asyncio.create_task(wait()) for _ in range(requests)]
    await asyncio.sleep(0)
    return waiting


def end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


def run(steps: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(steps())


def one_alone() -> None:
    async def steps() -> None:
        places = Places(TEN)
        assert await taken(places, "loud", 12) == 5
        assert await taken(places, "quiet", 1) == 1

    run(steps)


def test_a_practice_with_twelve_slow_requests_leaves_a_place_for_anothers_first() -> None:
    one_alone()


def test_first_come_first_served_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Places, "_may_take", lambda self, _holder: self._free > 0)
    with pytest.raises(AssertionError):
        one_alone()


def test_several_practices_share_and_still_leave_places() -> None:
    async def steps() -> None:
        places = Places(TEN)
        got = [await taken(places, name, 12) for name in ("a", "b", "c", "d", "e")]
        assert got == [5, 3, 1, 1, 0]

    run(steps)


def test_of_one_place_everybody_gets_turns() -> None:
    async def steps() -> None:
        places = Places(PlaceLimits(places=1, wait_seconds=600))
        served: list[str] = []
        await places.take("first")
        waiting = [
            *await in_line(places, "loud", 3, served),
            *await in_line(places, "quiet", 2, served),
        ]
        for holder in ("first", "loud", "quiet", "loud", "quiet"):
            places.give_back(holder)
            await asyncio.sleep(0)
        assert served == ["loud", "quiet", "loud", "quiet", "loud"]
        await asyncio.gather(*waiting)

    run(steps)


def test_requests_of_one_practice_are_served_first_in_first_out() -> None:
    async def steps() -> None:
        places = Places(PlaceLimits(places=1, wait_seconds=600))
        served: list[int] = []

        async def wait(number: int) -> None:
            await places.take("north")
            served.append(number)

        await places.take("north")
        waiting = []
        for number in range(4):
            waiting.append(asyncio.create_task(wait(number)))
            await asyncio.sleep(0)
        for _ in range(4):
            places.give_back("north")
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        assert served == [0, 1, 2, 3]

    run(steps)


def test_places_that_come_back_are_shared_anew() -> None:
    """A practice that was alone falls to what it may have beside others, as its requests end."""

    async def steps() -> None:
        places = Places(PATIENT)
        served: list[str] = []
        await in_line(places, "loud", 5, served)
        waiting = await in_line(places, "loud", 20, served)
        other = await in_line(places, "other", 20, served)
        for _ in range(4):
            places.give_back("loud")
            await asyncio.sleep(0)
        assert (places._held["loud"], places._held["other"], places._free) == (3, 4, 3)
        end([*waiting, *other])

    run(steps)


def test_a_practice_that_has_its_share_is_told_so() -> None:
    async def steps() -> None:
        places = Places(TEN)
        assert await taken(places, "loud", 5) == 5
        with pytest.raises(TooManyRequests) as refused:
            await places.take("loud")
        assert refused.value.reason == "share-taken"
        assert refused.value.detail is not None
        assert "5 of 10 places" in refused.value.detail
        assert refused.value.headers["Retry-After"] == "2"

    run(steps)


def test_a_practice_without_any_place_is_told_that_others_hold_them() -> None:
    async def steps() -> None:
        places = Places(PlaceLimits(places=1, wait_seconds=0))
        await places.take("loud")
        with pytest.raises(Unavailable) as refused:
            await places.take("quiet")
        assert refused.value.reason == "all-places-taken"
        assert refused.value.headers["Retry-After"] == "2"

    run(steps)


def test_a_line_has_an_end() -> None:
    async def steps() -> None:
        places = Places(PlaceLimits(places=1, wait_seconds=600, line=2))
        served: list[str] = []
        await places.take("north")
        waiting = await in_line(places, "north", 2, served)
        with pytest.raises(TooManyRequests):
            await places.take("north")
        end(waiting)

    run(steps)


@pytest.mark.parametrize("is_given", [False, True], ids=["in line", "as its place comes"])
def test_a_caller_that_goes_away_leaves_nothing_behind(*, is_given: bool) -> None:
    async def steps() -> None:
        places = Places(PlaceLimits(places=1, wait_seconds=600))
        served: list[str] = []
        await places.take("first")
        [gone] = await in_line(places, "gone", 1, served)
        if is_given:
            places.give_back("first")
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        if not is_given:
            places.give_back("first")
        assert (places._free, places._held, places._lines) == (1, {}, {})

    run(steps)


def test_nothing_is_kept_of_who_asks_no_more() -> None:
    async def steps() -> None:
        places = Places(TEN)
        for number in range(100):
            async with places.place(f"practice {number}"):
                pass
        assert (places._free, places._held, places._lines) == (10, {}, {})

    run(steps)
