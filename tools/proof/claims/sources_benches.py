"""Sources: the bench of import in a reduced size; `make bench ONLY=import` takes 2,000,000 rows."""

from collections.abc import Iterable
from dataclasses import replace

from tools.bench.benches import importing
from tools.bench.environment import Environment
from tools.bench.sizes import QUICK
from tools.claim import Bench, Measured

SIZES = replace(QUICK, imported_rows=200_000, capacity_seconds=5.0)


def measure(bench: Bench) -> Iterable[Measured]:
    """On servers of their own: this Postgres must wait for its disk. Figures without a goal are
    said beside those that have one."""
    bench.say(f"sources: import of {SIZES.imported_rows:,} rows")
    with Environment.started() as environment:
        for line in importing.measure(environment, SIZES):
            yield replace(line, claim=f"import: {line.claim.strip()}")
