"""What quiet practices wait while another dumps a minute's capacity at once, door by door (R28)."""

from collections.abc import Iterator
from contextlib import contextmanager

from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tools.bench.doors import messages
from tools.bench.doors.bus import BusDoor
from tools.bench.doors.door import Door, Parties, Waited
from tools.bench.doors.exports import export_doors
from tools.bench.doors.messages import MessagesDoor
from tools.bench.doors.rest import RestDoor
from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.services import READY_SECONDS, with_practices
from tools.bench.sizes import Sizes
from tools.claim import Measured

GOAL = 2.0
FLOODER = "flood"
QUIET = ("quiet-1", "quiet-2", "quiet-3", "quiet-4")
BATCH = 500
"""Events of each POST of the flood."""
SHARE = 0.5
"""Of the capacity, what the quiet practices send."""
SCOPES = {
    "ingestion": "events:write,clients:read",
    "scoring": "tiers:read",
}


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions; a door after the other, each with its own capacity.

    The floods by the bus come last: what they leave is not waited for.
    """
    parties = Parties(QUIET, FLOODER)
    if sizes.first_in_first_out:
        parties = Parties([FLOODER], FLOODER)
    lines: list[Measured] = []
    with _sending(environment, parties) as sending:
        lines += _isolated(sending, sizes)
    everybody = parties.everybody
    with with_practices(environment, "isolation", list(SCOPES), everybody) as stack:
        folder, keys = stack.options.folder, _keys(stack, "ingestion", parties)
        rest = RestDoor(
            folder=folder,
            parties=parties,
            port=_port(stack, "ingestion"),
            keys=keys,
            quiet={"batch": 0},
            flood={"batch": BATCH},
            title="REST, one event accepted",
            units=float(BATCH),
        )
        lines += _isolated(rest, sizes)
        scoring = _keys(stack, "scoring", parties)
        for door in export_doors(stack, parties, {"ingestion": keys, "scoring": scoring}):
            lines += _isolated(door, sizes)
        for name in ("scoring-worker-1", "scoring-api"):
            stack.end_child(name)
        lines += _isolated(BusDoor(stack, folder, parties), sizes)
    return lines


def _isolated(door: Door, sizes: Sizes) -> Iterator[Measured]:
    """The capacity, the waits before, and the waits beside the flood."""
    capacity = door.capacity(sizes.capacity_seconds)
    rate = SHARE * capacity
    before = door.paced(rate, sizes.quiet_seconds)
    print(f"  {door.title}: {capacity:,.0f} {door.unit} a second", flush=True)
    with door.flooded(sizes.flood_seconds, capacity) as start:
        during = door.paced(rate, sizes.flooded_seconds, start)
    print(f"    p99 {before.p99:,.0f} ms, beside the flood {during.p99:,.0f} ms", flush=True)
    yield at_most(
        f"{door.title}: p99 beside a flood, times before",
        [during.p99 / before.p99],
        GOAL,
        note=_note(before, during),
    )
    yield plain(f"  capacity, {door.unit} a second", f"{capacity:,.0f}")


def _note(before: Waited, during: Waited) -> str:
    unended = f", {during.unended} of {len(during.waits)} unended" if during.unended else ""
    return f"{before.p99:,.0f} to {during.p99:,.0f} ms{unended}"


@contextmanager
def _sending(environment: Environment, parties: Parties) -> Iterator[MessagesDoor]:
    """Outreach alone, with the sandbox."""
    folder = environment.folder / "sending"
    folder.mkdir()
    options = StackOptions(
        folder=folder,
        services=("outreach",),
        topic_prefix="sending_",
        database_prefix="sending_",
        simulated_clock=False,
        ready_seconds=READY_SECONDS,
        playbook=messages.write_playbook(folder),
    )
    with Stack(options, postgres=environment.postgres, kafka=environment.kafka) as stack:
        door = MessagesDoor(stack, parties)
        door.prepare()
        yield door


def _keys(stack: Stack, service: str, parties: Parties) -> dict[str, str]:
    return {
        practice: stack.create_key(service, SCOPES[service], practice)
        for practice in parties.everybody
    }


def _port(stack: Stack, service: str) -> int:
    return int(stack.url(service).rpartition(":")[2])
