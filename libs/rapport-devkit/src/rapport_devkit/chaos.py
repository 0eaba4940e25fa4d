"""A TCP proxy on loopback, before Kafka or Postgres, that makes connections fail as networks do.

It runs on a thread of its own; any thread may call it. Faults: cut, refuse, blackhole, half-open,
delay, throttle, and lost answers, where the server has done its work and the client does not know
(R4, R6).
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from rapport_devkit.processes import Stoppable

_CHUNK = 64 * 1024
_START_SECONDS = 60.0
_RESET = struct.pack("ii", 1, 0)
"""With no time to linger, closing sends a reset, as from a host where nobody listens."""

Request = Callable[[bytes], bool]
"""Whether these bytes from a client are the request whose answer is to be lost."""

T = TypeVar("T")


@dataclass(eq=False)
class _Link:
    """A client's connection and the one to the server; while `silent` nothing passes. When `doomed`
    the next answer is lost."""

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
class _ActiveFaults:
    """The faults that are on."""

    blackhole: bool = False
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    lose_answer_to: Request | None = None
    answers_to_lose: int = 0


class ChaosProxy(Stoppable):
    """Listens on 127.0.0.1:`port` and passes everything on to `upstream`; a context manager.

    Faults add up until `heal`. `lost_answers` and `resets` count since the start.
    """

    def __init__(self, upstream: tuple[str, int], *, port: int = 0) -> None:
        self.port = port
        self.lost_answers = 0
        self.resets = 0
        self._upstream = upstream
        self._faults = _ActiveFaults()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    def start(self) -> Self:
        """Listen; from then on `port` is known. Raises OSError when the port is taken."""
        self._thread.start()
        if not self._listening.wait(_START_SECONDS):
            raise OSError(f"cannot listen on port {self.port}")
        return self

    def stop(self) -> None:
        """Reset all connections and stop listening."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    # -- faults ---------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._on_loop(lambda: len(self._links))

    def cut(self) -> int:
        """Reset every connection, once; returns how many there were."""
        return self._on_loop(lambda: self._reset(self._links))

    def refuse(self) -> None:
        """Reset every connection and stop listening, as a server that is down, until `heal`."""
        self._await(self._stop_listening())
        self.cut()

    def blackhole(self) -> None:
        """Nothing passes in either direction and nothing is closed, until `heal`."""
        self._change(blackhole=True)
        self.half_open()

    def half_open(self) -> None:
        """Existing connections go silent, until `heal`; new ones work."""

        def silence() -> None:
            for link in self._links:
                link.silent = True

        self._on_loop(silence)

    def delay(self, seconds: float) -> None:
        """Delay each piece by so many seconds, in either direction, until `heal`."""
        self._change(delay_seconds=seconds)

    def throttle(self, bytes_per_second: float) -> None:
        """Slow each connection to this rate, until `heal`."""
        self._change(bytes_per_second=bytes_per_second)

    def lose_answers(self, to: Request, count: int = 1) -> None:
        """The next `count` requests reach the server, and a reset comes instead of its answer."""
        self._change(lose_answer_to=to, answers_to_lose=count)

    def heal(self) -> None:
        """Switch all faults off, and reset the connections that were silent."""

        async def end() -> None:
            self._faults = _ActiveFaults()
            self._reset({link for link in self._links if link.silent or link.doomed})
            await self._listen()

        self._await(end())

    # -- on the loop ----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await self._listen()
        self._listening.set()
        await self._stop.wait()
        await self._stop_listening()
        self._reset(self._links)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # so that the reset transports are closed before their loop is

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link([writer], silent=self._faults.blackhole)
        self._links.add(link)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            if link.silent:
                await reader.read()  # until the client gives up or `heal` resets it
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
        faults = self._faults
        pause = faults.delay_seconds
        if faults.bytes_per_second:
            pause += len(data) / faults.bytes_per_second
        if pause:
            await asyncio.sleep(pause)
        return not link.silent

    def _doom(self, link: _Link, data: bytes) -> None:
        faults = self._faults
        if faults.answers_to_lose and faults.lose_answer_to and faults.lose_answer_to(data):
            faults.answers_to_lose -= 1
            link.doomed = True

    def _reset(self, links: set[_Link]) -> int:
        for link in links:
            link.reset()
        self.resets += len(links)
        return len(links)

    def _change(self, **values: object) -> None:
        def change() -> None:
            for name, value in values.items():
                setattr(self._faults, name, value)

        self._on_loop(change)

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Run `action` on the proxy's thread and return its result."""

        async def run() -> T:
            return action()

        return self._await(run())

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_SECONDS)


def is_commit(data: bytes) -> bool:
    """Whether a Postgres client asks for a COMMIT (simple query protocol)."""
    return data.startswith(b"Q") and b"COMMIT" in data[5:14].upper()


def is_produce(data: bytes) -> bool:
    """Whether a Kafka client's request is a Produce (API key 0, behind four bytes of length)."""
    return data[4:6] == b"\x00\x00"
