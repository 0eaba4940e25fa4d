"""Sources: clients are rebuilt and a practice moves while events come and services die."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.support.pipeline.findings import Findings
from tests.support.pipeline.rebuild_findings import look_at_rebuilds
from tests.support.pipeline.rebuilds import LONG, run_rebuilds
from tools.claim import Bench, Measured, at_least, none

RUNS = 2
NEVER = {
    "clients whose facts differ from a recomputation": (
        *("lost events", "events of nobody", "events doubled", "wrong sums", "wrong codes"),
        *("wrong tier", "wrong score", "wrong explanation", "wrong next_transition"),
        *("outreach's bookings", "outreach's newest activity"),
        *("turned into another zone than the practice's", "generations not complete"),
    ),
    "answers by a part of the facts": ("answers by a part of the facts",),
    "answers that go back, or of a tier that never was": ("answers of versions",),
    "changes of tier by a rebuild alone": ("changed by a rebuild alone",),
    "live changes, and messages, because of a generation": (
        *("a generation's change is live", "messages because of a generation", "messages"),
    ),
}
"""Claim -> the faults of which there must be none."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Long runs on servers of their own, with this run's seed and those behind it."""
    runs = [_run(bench, bench.seed + number) for number in range(RUNS)]
    return claims(runs)


def _run(bench: Bench, seed: int) -> Findings:
    bench.say(f"rebuilds and moves, seed {seed}")
    plan = replace(LONG, size=replace(LONG.size, seed=seed))
    folder = bench.folder / f"generations-{seed}"
    findings: Findings = run_rebuilds(plan, folder, look_at_rebuilds, say=bench.say)
    if worst := findings.worst():
        bench.say(worst)
    return findings


def claims(runs: Sequence[Findings]) -> list[Measured]:
    """The figures and faults of all runs as lines of the proof."""

    def total(figure: str) -> int:
        return sum(int(run.figures[figure]) for run in runs)

    named = {kind for kinds in NEVER.values() for kind in kinds}
    others = sum(
        len(found) for run in runs for kind, found in run.faults.items() if kind not in named
    )
    return [
        at_least("generations: opened while events come", total("generations"), 1_000),
        at_least("generations: kills of each worker (SIGKILL)", _least_kills(runs), 3),
        at_least("generations: answers compared, while rebuilding", total(_MEANWHILE), 50),
        at_least("generations: win-backs that were due", total("win-backs"), 10),
        *(
            none(
                f"generations: {claim}",
                sum(len(run.faults.get(kind, ())) for run in runs for kind in kinds),
            )
            for claim, kinds in NEVER.items()
        ),
        none("generations: faults of any other kind", others),
    ]


_MEANWHILE = "answers while rebuilding"


def _least_kills(runs: Sequence[Findings]) -> int:
    return min(int(run.figures["least kills"]) for run in runs)
