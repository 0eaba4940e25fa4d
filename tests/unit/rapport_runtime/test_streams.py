"""Answers that stay open: how many, for how long, and that they end in good order."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from rapport_runtime.http.problems import TooManyRequests, Unavailable
from rapport_runtime.http.streams import Streams

PROGRAM = """
import sys
from collections.abc import AsyncIterator
from typing import ClassVar
from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from rapport_runtime import logs
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.auth import require
from rapport_runtime.http.serve import serve
from rapport_runtime.http.streams import Streams
from rapport_runtime.settings import ServiceSettings

class Settings(ServiceSettings):
    service: ClassVar[str] = "toy"

class Keys:
    def verify(self, raw_key):
        return Principal("k", "north", frozenset({"toy:read"}))
    def verify_many(self, raw_keys):
        return {key: self.verify(key) for key in raw_keys}

router = APIRouter(dependencies=[Depends(require("toy:read"))])

@router.get("/stream", response_class=EventSourceResponse)
async def stream(request: Request) -> AsyncIterator[ServerSentEvent]:
    streams = request.app.state.streams
    until = streams.deadline()
    yield ServerSentEvent(raw_data="begun")
    while not streams.is_over(until):
        await streams.pause()
    yield ServerSentEvent(raw_data="finished")

grace = 8
if "mutant" in sys.argv:
    Streams.close = lambda self: None
    grace = 1
settings = Settings.from_environment()
logs.configure("toy", "INFO")
app = create_app(
    Service(title="t", version="1", description="", keys=Keys(), cursor_key=b"k"), [router]
)
serve(app, settings, grace_seconds=grace)
print("returned", flush=True)
"""


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


class TestPlaces:
    """There are so many, and nobody has them all."""

    def test_beyond_all_places_the_next_is_told_when_to_come_again(self) -> None:
        async def scenario() -> None:
            streams = Streams(2, of_each=2)
            async with streams.place("a"), streams.place("b"):
                with pytest.raises(Unavailable) as refused:
                    await self.enter(streams, "c")
                assert refused.value.headers == {"Retry-After": "2"}
            await self.enter(streams, "c")

        run(scenario())

    def test_one_holder_leaves_places_to_others(self) -> None:
        async def scenario() -> None:
            streams = Streams(10, of_each=2)
            async with AsyncExitStack() as stack:
                for _ in range(2):
                    await stack.enter_async_context(streams.place("a"))
                with pytest.raises(TooManyRequests) as refused:
                    await self.enter(streams, "a")
                assert refused.value.headers == {"Retry-After": "2"}
                await self.enter(streams, "b")

        run(scenario())

    def test_a_place_is_given_back_whatever_happens(self) -> None:
        async def scenario() -> None:
            streams = Streams(1)
            for _ in range(3):
                with pytest.raises(RuntimeError, match="broke"):
                    async with streams.place("a"):
                        raise RuntimeError("broke")
            await self.enter(streams, "a")

        run(scenario())

    def test_when_the_process_is_to_end_there_are_none(self) -> None:
        async def scenario() -> None:
            streams = Streams()
            deadline = streams.deadline()
            assert not streams.is_over(deadline)
            streams.close()
            assert streams.is_over(deadline)
            with pytest.raises(Unavailable):
                await self.enter(streams, "a")

        run(scenario())

    def test_none_is_longer_than_the_longest(self) -> None:
        streams = Streams(longest_seconds=0)
        assert streams.is_over(streams.deadline())
        assert streams.is_over(streams.deadline(30))
        assert Streams().is_over(Streams().deadline(0))

    @staticmethod
    async def enter(streams: Streams, holder: str) -> None:
        async with streams.place(holder):
            pass


@pytest.fixture
def toy(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    environment = {
        "RAPPORT_DATABASE_URL": "postgresql://toy@127.0.0.1:1/toy",
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "RAPPORT_PORT": "0",
    }
    argv = [sys.executable, "-c", PROGRAM, *(["mutant"] if request.param else [])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("toy", [False, True], indirect=True, ids=["whole", "mutant"])
def test_told_to_stop_the_process_ends_its_streams_in_good_order(
    toy: subprocess.Popen[str], request: pytest.FixtureRequest
) -> None:
    """Mutant: the streams are not told; they are then cut off in the middle, after a second."""
    assert toy.stdout is not None
    running = next(line for line in toy.stdout if "running on" in line)
    address = running.partition("http://")[2].split()[0]
    headers = {"Authorization": "Bearer k"}
    received: list[str] = []
    was_cut_off = False
    with (
        httpx.Client(trust_env=False, timeout=60) as http,
        http.stream("GET", f"http://{address}/stream", headers=headers) as answer,
    ):
        try:
            for line in answer.iter_lines():
                received.append(line)
                if line == "data: begun":
                    toy.send_signal(signal.SIGTERM)
        except httpx.RemoteProtocolError:
            was_cut_off = True
    is_mutant = "mutant" in request.node.callspec.id
    assert ("data: finished" in received) is not is_mutant
    assert was_cut_off is is_mutant
    assert any("returned" in line for line in toy.stdout)
    assert toy.wait(60) == 0
