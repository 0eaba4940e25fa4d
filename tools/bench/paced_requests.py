"""HTTP requests at a pace, or as many as a server takes; each practice with its own key."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import count
from typing import Any, NamedTuple

import uvloop

from tools.bench.bookings import events
from tools.bench.one_worker import Conversation
from tools.bench.order import Order
from tools.bench.stopwatch import Stopwatch
from tools.bench.waits import in_turn

REFUSED_PAUSE_SECONDS = 0.1
"""A caller whose request was refused waits so long before its next."""


class Planned(NamedTuple):
    """A request with its name and, at a pace, the instant at which it is to be sent."""

    name: str
    due: float
    request: bytes


def requests(order: Order, talk: Conversation) -> None:
    """Send what `order.requests` describes; see `plan`. At a pace (`order.rate` a second) sends
    `order.records` requests and marks `sent <name>` when one was due and `end <name>` when it was
    answered with 200. Without a pace goes on for `order.seconds`, or until it is told to end, or
    all are sent. The outcome counts the good answers."""
    planned = list(plan(order))
    talk.ready()
    uvloop.run(_Load(order, planned, talk).run())


def plan(order: Order) -> Iterator[Planned]:
    """The requests of an order, of its practices in turn.

    `order.requests` has `port`, `keys` by practice, `connections`, and `batch`, the events of each
    POST /v1/events (0: one event, no array), or `paths` by practice, for GET.
    """
    wanted = order.requests
    source = _posts(order) if "batch" in wanted else _gets(order)
    for index in range(order.records):
        practice, request = next(source)
        due = index / order.rate if order.rate else 0.0
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {wanted['keys'][practice]}\r\n"
        line, _, rest = request.partition(b"\r\n")
        yield Planned(f"{order.run}-{index}", due, line + b"\r\n" + head.encode() + rest)


def _posts(order: Order) -> Iterator[tuple[str, bytes]]:
    batch = order.requests["batch"]
    size = max(1, batch)
    for index in count():
        practice = in_turn(order.practices, index)
        first = size * (index // len(order.practices))
        made = list(events(f"{order.run}-{index}", size, [practice], first))
        body = json.dumps(made if batch else made[0]).encode()
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        yield practice, b"POST /v1/events HTTP/1.1\r\n" + head.encode() + body


def _gets(order: Order) -> Iterator[tuple[str, bytes]]:
    paths = order.requests["paths"]
    for index in count():
        practice = in_turn(order.practices, index)
        path = in_turn(paths[practice], index // len(order.practices))
        yield practice, f"GET {path} HTTP/1.1\r\n\r\n".encode()


class _Load:
    """Keeps connections that take the next request as they become free."""

    def __init__(self, order: Order, planned: Sequence[Planned], talk: Any) -> None:
        self._order, self._planned, self._talk = order, planned, talk
        self._queue: asyncio.Queue[Planned] = asyncio.Queue()
        self._watch = Stopwatch()
        self._good = self._refused = 0

    async def run(self) -> None:
        """Send everything, or until the time is over; tell what came of it."""
        self._watch = Stopwatch()
        tasks = [
            asyncio.create_task(self._connection())
            for _ in range(self._order.requests["connections"])
        ]
        await (self._paced() if self._order.rate else self._until_over(tasks))
        outcome = self._watch.outcome(self._good)
        for task in tasks:
            task.cancel()
        parts = {"refused": float(self._refused)}
        self._talk.done(outcome._replace(parts=parts))

    async def _paced(self) -> None:
        begun, wall = time.monotonic(), time.time()
        for one in self._planned:
            await asyncio.sleep(max(0.0, begun + one.due - time.monotonic()))
            self._watch.mark(f"sent {one.name}", wall + one.due)
            self._queue.put_nowait(one)
        deadline = time.monotonic() + self._order.seconds
        while self._good + self._refused < len(self._planned) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def _until_over(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for one in self._planned:
            self._queue.put_nowait(one)
        deadline = time.monotonic() + self._order.seconds
        while time.monotonic() < deadline and not self._talk.over():
            if self._good + self._refused >= len(self._planned):
                return
            await asyncio.wait(tasks, timeout=0.05)

    async def _connection(self) -> None:
        """Take requests for ever. A connection that the server ends is opened again."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._order.requests["port"]
                )
                while await self._exchange(reader, writer):
                    pass
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                self._refused += 1
            await asyncio.sleep(REFUSED_PAUSE_SECONDS)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request and read its answer; whether it was a good one."""
        one = await self._queue.get()
        writer.write(one.request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length_of(head))
        if status_of(head) != HTTPStatus.OK:
            self._refused += 1
            return False
        self._good += 1
        if self._order.rate:
            self._watch.mark(f"end {one.name}")
        return True


def status_of(head: bytes) -> int:
    """The status of an answer's head."""
    return int(head.split(b" ", 2)[1])


def length_of(head: bytes) -> int:
    """The length of the body that an answer's head announces; 0 without one."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
