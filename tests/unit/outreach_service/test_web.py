"""Calls to providers: spread over small pools, within a deadline, with bounded answers."""

import asyncio
import gzip
import socketserver
import threading
import time
from contextlib import nullcontext, suppress
from typing import ClassVar

import httpx
import pytest

from outreach_service.providers import web
from outreach_service.providers.web import (
    LONGEST_ANSWER,
    Answer,
    NoAnswer,
    Pools,
    Timeouts,
    http_client,
)


class Pool(httpx.AsyncBaseTransport):
    """Counts its calls, and remembers that it was closed."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return httpx.Response(200, request=request)

    async def aclose(self) -> None:
        self.is_closed = True


def test_pools_take_turns_and_are_all_closed() -> None:
    pools = [Pool(), Pool(), Pool()]

    async def calls(count: int) -> None:
        async with httpx.AsyncClient(transport=Pools(pools)) as client:
            await asyncio.gather(*(client.get("http://provider.test/") for _ in range(count)))

    asyncio.run(calls(7))

    assert sorted(pool.calls for pool in pools) == [2, 2, 3]
    assert all(pool.is_closed for pool in pools)


class Dripping(socketserver.StreamRequestHandler):
    """A provider that begins its answer at once, and sends the rest of it byte by byte."""

    body = b'{"Code": "OK"}'
    headers: ClassVar[list[bytes]] = []
    pause_seconds = 0.0

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(self.body), *self.headers]
        with suppress(OSError):  # we hang up
            self.wfile.write(b"\r\n".join([*lines, b"", b""]))
            if not self.pause_seconds:
                self.wfile.write(self.body)
                return
            for byte in self.body:
                self.wfile.write(bytes([byte]))
                time.sleep(self.pause_seconds)


def asked(provider: type[Dripping], seconds: float = 20) -> Answer | str:
    """The answer of a provider on this machine, or why there is none."""

    async def call(port: int) -> Answer | str:
        async with http_client(Timeouts(connect=5, answer=5)) as client:
            request = client.build_request("POST", f"http://127.0.0.1:{port}/")
            try:
                return await web.ask(client, request, seconds)
            except NoAnswer as problem:
                return str(problem)

    with socketserver.TCPServer(("127.0.0.1", 0), provider) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = asyncio.run(call(server.server_address[1]))
        thread.join()
    return found


@pytest.mark.parametrize("mutant", [False, True])
def test_a_provider_that_drips_its_answer_does_not_hold_the_call(
    monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Each byte comes well within the time-out between bytes. Mutant: no deadline of the whole."""
    if mutant:
        monkeypatch.setattr(web.asyncio, "timeout", lambda _seconds: nullcontext())
    drip = type("Drip", (Dripping,), {"pause_seconds": 0.1})
    assert (asked(drip, seconds=0.5) == "deadline") is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_no_more_of_an_answer_is_read_than_64_kib(
    monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: there is no bound, and the answer counts."""
    if mutant:
        monkeypatch.setattr(web, "LONGEST_ANSWER", 10**9)
    body = b'{"Code": "OK", "Message": "' + b"x" * 65_536 + b'"}'
    flood = type("Flood", (Dripping,), {"body": body})
    assert (asked(flood) == "answer-too-long") is not mutant


def test_an_answer_of_64_kib_is_read() -> None:
    filler = b"x" * (LONGEST_ANSWER - len(b'{"Message": ""}'))
    whole = type("Whole", (Dripping,), {"body": b'{"Message": "' + filler + b'"}'})
    assert asked(whole) == Answer(200, {"Message": filler.decode()}, None)


def test_a_compressed_answer_is_not_unpacked() -> None:
    """A million spaces, in a thousand bytes: nobody knows how much comes out."""
    bomb = {"body": gzip.compress(b" " * 10**6), "headers": [b"content-encoding: gzip"]}
    assert asked(type("Bomb", (Dripping,), bomb)) == "answer-compressed"


def test_an_answer_that_is_nested_too_deeply_is_none() -> None:
    deep = type("Deep", (Dripping,), {"body": b"[" * 60_000})
    assert asked(deep) == "HTTP 200"
