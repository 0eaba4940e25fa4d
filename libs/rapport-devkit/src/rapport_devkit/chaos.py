"""A TCP proxy on loopback that does to connections what networks do: before Kafka, before Postgres.

It runs on a thread of its own and is told from any other: cut, refuse, blackhole, half-open, delay,
throttle, and the cruellest: the server did as it was asked, and its answer is lost (RELIABILITY
§5.1).
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

_CHUNK = 64 * 1024
_START_SECONDS = 60.0
_RESET = struct.pack("ii", 1, 0)
"""Linger for no time at all: closing sends a reset, as a peer that is gone would."""

Request = Callable[[bytes], bool]
"""Whether these bytes from a client are the request whose answer shall be lost."""

T = TypeVar("T")


@dataclass(eq=False)
class _Link:
    """One client's connection with its upstream; `silent` lets nothing through any more."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    silent: bool = False
    doomed: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            end = writer.get_extra_info("socket")
            if end is not None and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass
class _Weather:
    """What is wrong at the moment."""

    blackhole: bool = False
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    lose_answer_to: Request | None = None
    answers_to_lose: int = 0


class ChaosProxy:
    """Listens on 127.0.0.1:`port` and passes everything on to `upstream`; a context manager.

    Faults add up until `heal`. `lost_answers` and `resets` count what was done since the start.
    """

    def __init__(self, upstream: tuple[str, int], *, port: int = 0) -> None:
        self.port = port
        self.lost_answers = 0
        self.resets = 0
        self._upstream = upstream
        self._weather = _Weather()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        self._door: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    def start(self) -> Self:
        """Listen; from then on `port` is known. Raises OSError when the port is taken."""
        self._thread.start()
        if not self._listening.wait(_START_SECONDS):
            raise OSError(f"cannot listen on port {self.port}")
        return self

    def stop(self) -> None:
        """Reset all connections and listen no more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- faults ---------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._on_loop(lambda: len(self._links))

    def cut(self) -> int:
        """Reset every connection, once; how many there were."""
        return self._on_loop(lambda: self._reset(self._links))

    def refuse(self) -> None:
        """Reset every connection and listen no more, as a server that is gone, until `heal`."""
        self._await(self._close_door())
        self.cut()

    def blackhole(self) -> None:
        """Nothing passes in either direction and nothing is closed, until `heal`."""
        self._change(blackhole=True)
        self.half_open()

    def half_open(self) -> None:
        """The connections that exist go silent, until `heal`; new ones work."""

        def silence() -> None:
            for link in self._links:
                link.silent = True

        self._on_loop(silence)

    def delay(self, seconds: float) -> None:
        """Each piece waits so long, in either direction, until `heal`."""
        self._change(delay_seconds=seconds)

    def throttle(self, bytes_per_second: float) -> None:
        """Each connection is so slow, until `heal`."""
        self._change(bytes_per_second=bytes_per_second)

    def lose_answers(self, to: Request, count: int = 1) -> None:
        """The next `count` requests reach the server; instead of its answer comes a reset."""
        self._change(lose_answer_to=to, answers_to_lose=count)

    def heal(self) -> None:
        """No fault any more; connections that had gone silent are reset."""

        async def end() -> None:
            self._weather = _Weather()
            self._reset({link for link in self._links if link.silent or link.doomed})
            await self._open_door()

        self._await(end())

    # -- on the loop ----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await self._open_door()
        self._listening.set()
        await self._stop.wait()
        await self._close_door()
        self._reset(self._links)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # so that the reset transports are closed before their loop is

    async def _open_door(self) -> None:
        if self._door is None:
            self._door = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._door.sockets[0].getsockname()[1]

    async def _close_door(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link([writer], silent=self._weather.blackhole)
        self._links.add(link)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            if link.silent:
                await reader.read()  # until the client gives up or the weather clears
            else:
                await self._pass_on(link, reader, writer)
        except OSError:
            link.reset()  # either side is gone, or the server does not listen
        finally:
            self._links.discard(link)
            for each in link.writers:
                each.close()

    async def _pass_on(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers, requests = await asyncio.open_connection(*self._upstream)
        link.writers.append(requests)
        ways = [
            asyncio.ensure_future(self._requests(link, reader, requests)),
            asyncio.ensure_future(self._answers(link, answers, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_CHUNK):
            if await self._is_let_through(link, data):
                self._doom(link, data)
                writer.write(data)
                await writer.drain()

    async def _answers(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_CHUNK):
            if link.doomed:
                self.lost_answers += 1
                self._reset({link})
                return
            if await self._is_let_through(link, data):
                writer.write(data)
                await writer.drain()

    async def _is_let_through(self, link: _Link, data: bytes) -> bool:
        weather = self._weather
        pause = weather.delay_seconds
        if weather.bytes_per_second:
            pause += len(data) / weather.bytes_per_second
        if pause:
            await asyncio.sleep(pause)
        return not link.silent

    def _doom(self, link: _Link, data: bytes) -> None:
        weather = self._weather
        if weather.answers_to_lose and weather.lose_answer_to and weather.lose_answer_to(data):
            weather.answers_to_lose -= 1
            link.doomed = True

    def _reset(self, links: set[_Link]) -> int:
        for link in links:
            link.reset()
        self.resets += len(links)
        return len(links)

    def _change(self, **said: object) -> None:
        def change() -> None:
            for name, each in said.items():
                setattr(self._weather, name, each)

        self._on_loop(change)

    def _on_loop(self, what: Callable[[], T]) -> T:
        """Run on the proxy's thread and wait for the answer."""

        async def run() -> T:
            return what()

        return self._await(run())

    def _await(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_START_SECONDS)


def is_commit(data: bytes) -> bool:
    """Whether a Postgres client asks for a COMMIT (simple query protocol)."""
    return data.startswith(b"Q") and b"COMMIT" in data[5:14].upper()


def is_produce(data: bytes) -> bool:
    """Whether a Kafka client's request is a Produce (API key 0, behind four bytes of length)."""
    return data[4:6] == b"\x00\x00"
