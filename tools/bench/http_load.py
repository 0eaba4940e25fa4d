"""A closed loop of HTTP requests, made once and sent again and again, in a process of its own.

`python -m tools.bench.http_load`: the order (JSON) on stdin, what was measured (JSON) on stdout. It
does next to nothing for each answer, so that it is never the slower side; its own CPU seconds are
part of what it says, as the proof of that.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import uvloop

_LENGTH = b"\r\ncontent-length: "


@dataclass(frozen=True, kw_only=True)
class Load:
    """Where to, with which header lines, for which paths in turn, over how many connections."""

    port: int
    paths: list[str]
    headers: dict[str, str]
    connections: int
    seconds: float
    warm_up_seconds: float = 1.0


class Answers(NamedTuple):
    """How many answers came in how long; the median and the 99th percentile in milliseconds."""

    answers: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one's answer is whole."""

    def __init__(self, requests: list[bytes], offset: int) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.waits: list[tuple[float, float]] = []
        self._requests = requests
        self._next = offset
        self._buffer = b""
        self._sent = 0.0
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self._fail(f"answered {self._buffer[:200]!r}")
            return
        at = self._buffer.find(_LENGTH, 0, head + 2) + len(_LENGTH)
        length = int(self._buffer[at : self._buffer.index(b"\r\n", at)])
        if len(self._buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        self.waits.append((now, now - self._sent))
        self._buffer = b""
        if self._stopped:
            self.ended.set_result(None)
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._fail(f"the server hung up: {error!r}")

    def stop(self) -> None:
        """Send nothing more once the answer on its way has come."""
        self._stopped = True

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def _fail(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(why))
        self._transport.close()


async def load(order: Load) -> Answers:
    """Keep every connection busy for so long. Raises RuntimeError for any answer but 200."""
    requests = [_request(path, order) for path in order.paths]
    loop = asyncio.get_running_loop()
    connections = []
    for number in range(order.connections):
        offset = number * len(requests) // order.connections
        made = await loop.create_connection(
            partial(_Connection, requests, offset), "127.0.0.1", order.port
        )
        connections.append(made[1])
    ended = asyncio.gather(*(connection.ended for connection in connections))
    await asyncio.wait([ended], timeout=order.warm_up_seconds)
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.wait([ended], timeout=order.seconds)
    until, used = time.perf_counter(), time.process_time() - cpu
    for connection in connections:
        connection.stop()
    await ended
    waits = sorted(wait for c in connections for at, wait in c.waits if begun <= at <= until)
    p50, p99 = (1000 * waits[int(len(waits) * share)] for share in (0.5, 0.99))
    return Answers(len(waits), until - begun, used, p50, p99)


def _request(path: str, order: Load) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in order.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


if __name__ == "__main__":
    measured = uvloop.run(load(Load(**json.load(sys.stdin))))
    json.dump(measured._asdict(), sys.stdout)
