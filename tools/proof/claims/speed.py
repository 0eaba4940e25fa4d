"""The ratios of `make bench` in a reduced size: speed beside its neighbours, each with its goal."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tools.bench.cli import BENCHES
from tools.bench.environment import Environment
from tools.bench.figures import NO_GOAL
from tools.bench.sizes import QUICK
from tools.claim import Bench, Measured

SIZES = replace(QUICK, events=150_000, baseline_events=4_000, source_events=60_000, api_seconds=4.0)
"""Large enough for the ratios; three repetitions and all 500,000 events are `make bench`'s."""
GATED = ("scoring", "ingestion", "api", "latency")


def measure(bench: Bench) -> Iterable[Measured]:
    """The lines that have a goal, on servers of their own: this Postgres must wait for its disk."""
    with Environment.started() as environment:
        for name in GATED:
            bench.say(f"speed: {name}")
            yield from _gated(name, BENCHES[name](environment, SIZES))


def _gated(name: str, lines: Iterable[Measured]) -> Iterator[Measured]:
    for line in lines:
        if line.goal != NO_GOAL:
            yield replace(line, claim=f"speed, {name}: {line.claim}")
