"""Every client of a practice is rebuilt while its events go on: how quick, and who waits for it."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import psycopg

from rapport_devkit.stack import Stack
from tools.bench.bookings import events
from tools.bench.doors.door import Parties, Waited, logged, new_run
from tools.bench.doors.rest import RestDoor
from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.order import Order
from tools.bench.services import READY_SECONDS, with_practices
from tools.bench.sizes import Sizes
from tools.claim import Measured

PRACTICE = "harbour"
SCOPES = {"ingestion": "events:write,clients:read", "scoring": "tiers:read"}
BATCH = 500
EVENTS_EACH = 2
"""Of each client, before the rebuild."""
RATE = 500.0
"""Events a second that come by the bus meanwhile."""
SLACK_SECONDS = 3.0
"""They go on for so long more, since those who ask begin a little later."""
ASKED_A_SECOND = 25.0
"""At each API: one tier read, one event accepted."""
PATHS = 200
GOAL = 3.0
LONGEST_SECONDS = 3_600.0
_SEQUENCES = "SELECT client_id, generation, last_sequence FROM client"
_FOLDED = f"{_SEQUENCES} WHERE isempty(missing)"
_BESIDE = "SELECT count(*) FROM next_generation"

Clients = dict[str, tuple[int, int]]
"""Client -> generation and last sequence."""


class Rebuilt(NamedTuple):
    """How long the command and the reader took, and what those waited who asked meanwhile, by the
    title of the door."""

    said_seconds: float
    read_seconds: float
    waits: Mapping[str, Waited]


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions."""
    with with_practices(environment, "rebuild", list(SCOPES), [PRACTICE]) as stack:
        keys = {name: stack.create_key(name, scopes, PRACTICE) for name, scopes in SCOPES.items()}
        clients = sizes.rebuilt_clients
        _fill(stack, keys["ingestion"], clients)
        load = _Load(stack, list(_doors(stack, keys)), clients)
        idle = load.round(sizes.quiet_seconds)
        done = _rebuilt(stack, load, sizes)
        missed = _missed(stack)
    return [
        plain(f"{clients:,} clients said anew, s", f"{done.said_seconds:.0f}"),
        plain("  clients a second", f"{clients / done.said_seconds:,.0f}"),
        plain("  clients a second, until scoring has all", f"{clients / done.read_seconds:,.0f}"),
        at_most("  clients of whom scoring missed anything", [missed], 0),
        *(_compared(title, waited, done.waits[title]) for title, waited in idle.items()),
    ]


def _compared(title: str, idle: Waited, meanwhile: Waited) -> Measured:
    note = f"{idle.p99:,.0f} to {meanwhile.p99:,.0f} ms, {meanwhile.unended} unended"
    times = meanwhile.p99 / idle.p99
    return at_most(f"  {title}: p99 meanwhile, times before", [times], GOAL, note=note)


def _fill(stack: Stack, key: str, clients: int) -> None:
    """Accept the first events of all clients, and wait until scoring has folded them."""
    print(f"  {clients:,} clients come for the first time", flush=True)
    api, count = stack.api("ingestion", key), clients * EVENTS_EACH
    made = events("fill", count, [PRACTICE], clients=clients)
    while batch := list(islice(made, BATCH)):
        api.post("/v1/events", batch)
    _await(lambda: _clients(stack, "scoring", _FOLDED) == _clients(stack, "ingestion", _SEQUENCES))


def _doors(stack: Stack, keys: Mapping[str, str]) -> Iterator[RestDoor]:
    """A tier that is read, and an event that is accepted, one a request."""
    known = islice(_clients(stack, "ingestion", _SEQUENCES), PATHS)
    reads = {"paths": {PRACTICE: [f"/v1/clients/{each}/tier" for each in known]}}
    for service, wanted, title in (
        ("scoring", reads, "one tier read"),
        ("ingestion", {"batch": 0}, "one event accepted"),
    ):
        yield RestDoor(
            folder=stack.options.folder,
            parties=Parties([PRACTICE], PRACTICE),
            port=int(stack.url(service).rpartition(":")[2]),
            keys={PRACTICE: keys[service]},
            quiet=wanted,
            flood=wanted,
            title=title,
        )


@dataclass
class _Load:
    """Events that come by the bus, of all clients in turn, and what others ask meanwhile."""

    stack: Stack
    doors: Sequence[RestDoor]
    clients: int

    def round(self, seconds: float) -> dict[str, Waited]:
        """What was waited at each door in so many seconds."""
        order = Order(
            bootstrap=self.stack.kafka.bootstrap,
            database_url="",
            records=int(RATE * (seconds + SLACK_SECONDS)),
            topic_prefix=self.stack.options.topic_prefix,
            rate=RATE,
            run=new_run("b"),
            practices=[PRACTICE],
            clients=self.clients,
        )
        with (
            logged(self.stack.options.folder, "bookings", order) as flow,
            ThreadPoolExecutor(len(self.doors)) as pool,
        ):
            flow.go()
            asked = {
                each.title: pool.submit(each.paced, ASKED_A_SECOND, seconds) for each in self.doors
            }
            found = {title: each.result() for title, each in asked.items()}
            flow.outcome()
        return found


def _rebuilt(stack: Stack, load: _Load, sizes: Sizes) -> Rebuilt:
    """Give the command while events go on, round after round until all is read."""
    begun = time.monotonic()
    options = ("--practice", PRACTICE, "--why", "bench", "--by", "bench")
    command = stack.start_command("ingestion", "rebuild", *options)
    rounds: list[dict[str, Waited]] = []
    with ThreadPoolExecutor(1) as pool:
        said, read = pool.submit(_said_after, command, begun), 0.0
        try:
            while not read:
                rounds.append(load.round(sizes.flooded_seconds))
                if said.done() and not _count(stack, _BESIDE):
                    read = time.monotonic() - begun
                if time.monotonic() - begun > LONGEST_SECONDS:
                    raise RuntimeError("the rebuild has not ended")
        finally:
            command.kill()
        return Rebuilt(said.result(), read, _together(rounds))


def _together(rounds: Sequence[Mapping[str, Waited]]) -> dict[str, Waited]:
    """The waits of all rounds, by door."""
    return {
        title: Waited(
            sorted(each for one in rounds for each in one[title].waits),
            sum(one[title].unended for one in rounds),
        )
        for title in rounds[0]
    }


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
