"""`make proof`: one line for each claim, measured now; the exit code is 1 if one falls short.

Options: `--only PART`, `--seed N` (default: drawn anew; printed, so that a run can be repeated).
"""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rapport_devkit.postgres import Postgres
from tools.claim import Bench, Measured, Part
from tools.proof.claims import (
    bad_input,
    downtime,
    edges_adapters,
    edges_causes,
    edges_consent,
    edges_keys,
    edges_newcomer,
    edges_providers,
    edges_reads,
    edges_texts,
    engine_benches,
    engine_bus,
    engine_causes,
    engine_holds,
    engine_ledger,
    engine_letters,
    engine_migrations,
    engine_operation,
    engine_purge,
    engine_sending,
    engine_shares,
    engine_turns,
    every_scheme,
    exact_time,
    grading_likelihood,
    grading_rank,
    proof_part,
    sources_part,
    the_contracts,
    the_house,
    the_pipeline,
)

PARTS: Mapping[str, Sequence[Part]] = {
    "pipeline": (
        the_pipeline.measure,
        exact_time.measure,
        downtime.measure,
        bad_input.measure,
    ),
    "proof": proof_part.MEASURES,
    "sources": sources_part.MEASURES,
    "house": (the_house.measure,),
    "schemes": (every_scheme.measure,),
    "grading": (grading_likelihood.measure, grading_rank.measure),
    "contracts": (the_contracts.measure,),
    "edges": (
        edges_providers.measure,
        edges_causes.measure,
        edges_consent.measure,
        edges_keys.measure,
        edges_newcomer.measure,
        edges_adapters.measure,
        edges_reads.measure,
        edges_texts.measure,
    ),
    "engine": (
        engine_bus.measure,
        engine_causes.measure,
        engine_holds.measure,
        engine_ledger.measure,
        engine_letters.measure,
        engine_migrations.measure,
        engine_operation.measure,
        engine_purge.measure,
        engine_sending.measure,
        engine_shares.measure,
        engine_turns.measure,
        engine_benches.measure,
    ),
}
"""Part -> what measures its claims."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when a claim is short."""
    parser = argparse.ArgumentParser(prog="make proof", description=__doc__)
    parser.add_argument("--only", choices=sorted(PARTS))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args(argv)
    parts = [options.only] if options.only else sorted(PARTS)
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="rapport-proof-"))
    print(f"seed {options.seed}", file=sys.stderr)
    lines = measure_all(parts, root, options.seed)
    print(table(lines))
    short = [line for _, line in lines if not line.ok]
    print(f"{len(lines)} claims, {len(short)} short, {time.monotonic() - began:.0f} s")
    if short:
        print(f"logs are kept in {root}", file=sys.stderr)
        return 1
    shutil.rmtree(root)
    return 0


def measure_all(parts: Sequence[str], root: Path, seed: int) -> list[tuple[str, Measured]]:
    """Every claim of these parts, with its part, on a Postgres that is gone afterwards."""
    lines: list[tuple[str, Measured]] = []
    with Postgres.start(root / "postgres", durable=False) as postgres:
        bench = Bench(root, postgres, seed, _say)
        for part in parts:
            for measure in PARTS[part]:
                lines += [(part, line) for line in _measured(measure, bench)]
    return lines


def table(lines: Sequence[tuple[str, Measured]]) -> str:
    """The claims in columns: part, claim, figure, goal, ok or short."""
    rows = [("part", "claim", "figure", "goal", "")]
    rows += [
        (part, line.claim, line.figure, line.goal, "ok" if line.ok else "SHORT")
        for part, line in lines
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _measured(measure: Part, bench: Bench) -> list[Measured]:
    """The lines of one measurement; one that breaks down is a claim that falls short."""
    try:
        return list(measure(bench))
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the other claims are measured
        what = f"{measure.__module__.rpartition('.')[2]} could not be measured"
        return [Measured(what, f"{type(error).__name__}: {str(error)[:200]}", "a figure", ok=False)]


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
