"""Every client of a practice is rebuilt while its events go on: how quick, and who waits for it."""

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tools.bench import source_log
from tools.bench.doors.door import Parties, Waited
from tools.bench.doors.rest import RestDoor
from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.sizes import Sizes
from tools.claim import Measured

PRACTICE = "harbour"
SCOPES = "events:write,clients:read"
BATCH = 500
EVENTS_EACH = 2
"""Of each client, before the rebuild."""
RATE = 500.0
"""Events a second that go on meanwhile, one a request."""
GOAL = 3.0
READY_SECONDS = 240.0
LONGEST_SECONDS = 3_600.0
_SEQUENCES = "SELECT client_id, generation, last_sequence FROM client"
_FOLDED = f"{_SEQUENCES} WHERE isempty(missing)"
_BESIDE = "SELECT count(*) FROM next_generation"

Clients = dict[str, tuple[int, int]]
"""Client -> generation and last sequence."""


class Rebuilt(NamedTuple):
    """How long the command and the reader took, and what those waited who sent events meanwhile."""

    said_seconds: float
    read_seconds: float
    waited: Waited


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions."""
    with _services(environment) as stack:
        key = stack.create_key("ingestion", SCOPES, PRACTICE)
        _fill(stack, key, sizes.rebuilt_clients)
        door = _door(environment, stack, key)
        idle = door.paced(RATE, sizes.quiet_seconds)
        done = _rebuilt(stack, door, sizes)
        missed = _missed(stack)
    clients = sizes.rebuilt_clients
    note = f"{idle.p99:,.0f} to {done.waited.p99:,.0f} ms"
    return [
        plain(f"{clients:,} clients said anew, s", f"{done.said_seconds:.0f}"),
        plain("  clients a second", f"{clients / done.said_seconds:,.0f}"),
        plain("  clients a second, until scoring has all", f"{clients / done.read_seconds:,.0f}"),
        at_most("  clients of whom scoring missed anything", [missed], 0),
        at_most("  API's p99 meanwhile, times idle", [done.waited.p99 / idle.p99], GOAL, note=note),
    ]


@contextmanager
def _services(environment: Environment) -> Iterator[Stack]:
    folder = environment.folder / "rebuild"
    folder.mkdir()
    options = StackOptions(
        folder=folder,
        services=("ingestion", "scoring"),
        topic_prefix="rebuild_",
        database_prefix="rebuild_",
        simulated_clock=False,
        ready_seconds=READY_SECONDS,
    )
    with Stack(options, postgres=environment.postgres, kafka=environment.kafka) as stack:
        operator = stack.api("ingestion", stack.create_key("ingestion", "practices:write"))
        practice = {"name": PRACTICE, "zone": "Europe/London", "currency": "GBP"}
        operator.put(f"/v1/practices/{PRACTICE}", practice)
        yield stack


def _fill(stack: Stack, key: str, clients: int) -> None:
    """Accept the first events of all clients, and wait until scoring has folded them."""
    print(f"  {clients:,} clients come for the first time", flush=True)
    api, now = stack.api("ingestion", key), datetime.now(UTC)
    for first in range(0, clients * EVENTS_EACH, BATCH):
        numbers = range(first, min(first + BATCH, clients * EVENTS_EACH))
        events = [
            source_log.event(f"e{one}", "booking.completed", f"c{one % clients}", f"b{one}", now)
            for one in numbers
        ]
        api.post("/v1/events", [{**each, "practiceid": PRACTICE} for each in events])
    _await(lambda: _clients(stack, "scoring", _FOLDED) == _clients(stack, "ingestion", _SEQUENCES))


def _door(environment: Environment, stack: Stack, key: str) -> RestDoor:
    return RestDoor(
        folder=environment.folder / "rebuild",
        parties=Parties([PRACTICE], PRACTICE),
        port=int(stack.url("ingestion").rpartition(":")[2]),
        keys={PRACTICE: key},
        quiet={"batch": 0},
        flood={"batch": BATCH},
        title="REST, one event accepted",
    )


def _rebuilt(stack: Stack, door: RestDoor, sizes: Sizes) -> Rebuilt:
    """Give the command while events go on, again and again until all is read."""
    begun = time.monotonic()
    options = ("--practice", PRACTICE, "--why", "bench", "--by", "bench")
    command = stack.start_command("ingestion", "rebuild", *options)
    try:
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(_said_after, command, begun)
            waits, unended, read = list[float](), 0, 0.0
            while not read:
                some = door.paced(RATE, sizes.quiet_seconds)
                waits, unended = [*waits, *some.waits], unended + some.unended
                if said.done() and not _count(stack, _BESIDE):
                    read = time.monotonic() - begun
                if time.monotonic() - begun > LONGEST_SECONDS:
                    raise RuntimeError("the rebuild has not ended")
            return Rebuilt(said.result(), read, Waited(sorted(waits), unended))
    finally:
        command.kill()


def _said_after(command: "subprocess.Popen[str]", begun: float) -> float:
    """How long after an instant of the steady clock the command ended. Raises RuntimeError when it
    failed."""
    output, errors = command.communicate()
    if command.returncode:
        raise RuntimeError(f"the rebuild ended with {command.returncode}: {output}{errors}")
    return time.monotonic() - begun


def _missed(stack: Stack) -> int:
    """Clients whose facts in scoring are not those that ingestion has said, when all is read."""
    wanted = _clients(stack, "ingestion", _SEQUENCES)
    deadline = time.monotonic() + READY_SECONDS
    while (found := _clients(stack, "scoring", _FOLDED)) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return sum(found.get(client) != told for client, told in wanted.items())


def _clients(stack: Stack, service: str, statement: str) -> Clients:
    with psycopg.connect(stack.database(service).worker_url) as database:
        return {row[0]: (row[1], row[2]) for row in database.execute(statement)}


def _count(stack: Stack, statement: str) -> int:
    with psycopg.connect(stack.database("scoring").worker_url) as database:
        row = database.execute(statement).fetchone()
    return 0 if row is None else int(row[0])


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("scoring does not come to the end of the log")
        time.sleep(0.5)
