"""Speed and memory, as ratios within one run, beside their goals: `make bench`.

On an Apache Kafka and a Postgres with fsync of its own, one candidate after the other, each in a
process of its own. Ratios of one run can be compared, figures of different runs cannot. 1 when a
goal is short.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from tools.bench.benches import (
    api,
    demo,
    first_watermark,
    importing,
    ingestion,
    isolation,
    latency,
    rebuild,
    schemes,
    scoring,
    variants,
)
from tools.bench.environment import Environment, facts
from tools.bench.figures import table
from tools.bench.sizes import QUICK, Sizes
from tools.claim import Measured

BENCHES: Mapping[str, Callable[[Environment, Sizes], list[Measured]]] = {
    "scoring": scoring.measure,
    "ingestion": ingestion.measure,
    "api": api.measure,
    "latency": latency.measure,
    "variants": variants.measure,
    "demo": demo.measure,
    "first_watermark": first_watermark.measure,
    "isolation": isolation.measure,
    "rebuild": rebuild.measure,
    "import": importing.measure,
    "schemes": schemes.measure,
}
ALONE = {"memory": scoring.measure_memory}
"""Parts of another bench that can be run alone."""


def main() -> int:
    """Run the chosen benches and print their table."""
    options = parser().parse_args()
    sizes = _sizes(options)
    names, measures = chosen_names(options), {**BENCHES, **ALONE}
    print(facts(), flush=True)
    began = time.monotonic()
    lines = []
    with Environment.started() as environment:
        for name in names:
            print(f"{name}:", flush=True)
            lines += [(name, line) for line in measures[name](environment, sizes)]
    print(table(lines))
    short = sum(not line.ok for _, line in lines)
    print(f"{len(lines)} figures, {short} short of their goal, {time.monotonic() - began:.0f} s")
    return 1 if short else 0


def chosen_names(options: argparse.Namespace) -> list[str]:
    """The benches to run, in order: those named, or all; a part only when it is named."""
    only = options.only or options.names
    return only.split(",") if only else list(BENCHES)


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m tools.bench`."""
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--only", type=_names, help="such as scoring or api,latency")
    arguments.add_argument("names", nargs="?", type=_names, help="the same without the flag")
    arguments.add_argument("--quick", action="store_true", help="an eighth of the events, once")
    arguments.add_argument("--repetitions", type=int)
    arguments.add_argument(
        "--first-in-first-out",
        action="store_true",
        help="isolation: the quiet practices are the flooding one, which must be short",
    )
    arguments.add_argument("--profile", action="store_true", help="cProfile of workers on stderr")
    return arguments


def _names(text: str) -> str:
    unknown = set(text.split(",")) - BENCHES.keys() - ALONE.keys()
    if unknown:
        raise argparse.ArgumentTypeError(f"no such bench: {', '.join(sorted(unknown))}")
    return text


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = replace(
        QUICK if options.quick else Sizes(),
        profile=options.profile,
        first_in_first_out=options.first_in_first_out,
    )
    return replace(sizes, repetitions=options.repetitions) if options.repetitions else sizes
