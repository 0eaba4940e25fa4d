"""The engine's benches in a reduced size: isolation of practices, a partition's first watermark.

What was measured when a finding was found is quoted from it; the figures are those of this run.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tools.bench.benches import first_watermark, isolation
from tools.bench.environment import Environment
from tools.bench.figures import NO_GOAL
from tools.bench.sizes import QUICK
from tools.claim import Bench, Measured

H10 = 'review-H10 (quoted: "2.5M clients in a partition: 57014 at 30.0 s, hence TryLater for ever")'
IN_LINE = ("bus", "messages")
"""The doors behind which everything stands in one line: first in, first out must be short there."""


def measure(bench: Bench) -> Iterable[Measured]:
    """On servers of their own: this Postgres must wait for its disk."""
    bench.say("the engine: isolation, first watermark")
    with Environment.started() as environment:
        yield from _gated("R28", isolation.measure(environment, QUICK))
        yield from _gated(H10, first_watermark.measure(environment, QUICK))
    with Environment.started() as environment:
        in_line = replace(QUICK, first_in_first_out=True)
        yield from first_in_first_out(isolation.measure(environment, in_line))


def _gated(finding: str, lines: Iterable[Measured]) -> Iterator[Measured]:
    for line in lines:
        if line.goal != NO_GOAL:
            yield replace(line, claim=f"{finding}: {line.claim.strip()}")


def first_in_first_out(lines: Iterable[Measured]) -> Iterator[Measured]:
    """Claims that the bench tells where nothing is shared out: its lines of one line are short."""
    for line in lines:
        if line.goal != NO_GOAL and line.claim.startswith(IN_LINE):
            claim = f"R28, first in, first out fails: {line.claim}"
            yield Measured(claim, line.figure, line.goal.replace("<=", ">"), not line.ok)
