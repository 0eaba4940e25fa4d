"""Nothing lost, nothing twice, order free: the full run under fire, compared with the oracles."""

from collections.abc import Iterable
from dataclasses import replace

from tests.support.pipeline.findings import Findings, look
from tests.support.pipeline.plans import FULL
from tests.support.pipeline.run import run_pipeline
from tools.claim import Bench, Measured, all_of, at_least, none

NEVER = {
    "events lost": ("lost events", "events of nobody"),
    "events counted twice, or sums that differ": ("events doubled", "wrong sums"),
    "gaps in a client's sequence of activities": ("sequence gaps",),
    "dead letters missing or too many": ("dead letters", "letters between services"),
    "wrong tiers": ("wrong tier", "wrong unknown", "wrong as_of"),
    "wrong scores": ("wrong score",),
    "wrong explanations": ("wrong explanation",),
    "wrong next transitions": ("wrong next_transition",),
    "version gaps, and changes from another tier": ("version gaps", "wrong last_change"),
    "messages missing, or that no play asks for": ("messages",),
    "messages not in a final state": ("messages unfinished",),
    "unknown outcomes without a killed worker": ("unexplained unknown",),
    "double deliveries": ("double deliveries",),
    "deliveries and states that contradict each other": ("log and state", "stamps"),
    "deliveries without consent or by a later channel": ("consent",),
    "messages withheld without a reason that holds": ("withheld",),
    "caps exceeded": ("caps",),
    "rows left in an outbox": ("outbox",),
    "workers that ended without an order": ("workers' surprises",),
}
"""Claim -> the faults of which there must be none."""

DELIVERED = 1_000
KILLS = 3


def measure(bench: Bench) -> Iterable[Measured]:
    """One full run on servers of its own, with this run's seed."""
    folder = bench.folder / "pipeline"
    plan = replace(FULL, size=replace(FULL.size, seed=bench.seed))
    findings = run_pipeline(plan, folder, look, say=bench.say)
    worst = findings.worst()
    if worst:
        bench.say(worst)
    return claims(findings)


def claims(findings: Findings) -> list[Measured]:
    """The figures and the faults of a full run as lines of the proof."""
    figures, size = findings.figures, FULL.size
    found, expected = figures["messages found"], figures["messages expected"]
    positive = [
        all_of("events accepted, as a set", figures["events accepted"], size.events),
        at_least("copies sent of the 20,000 events", figures["copies sent"], size.events // 10),
        at_least("events sent late, up to 400 days", figures["sent late"], size.events // 10),
        at_least("poison sent", figures["poison sent"], size.events // 100),
        at_least("clients compared with the oracle", figures["clients compared"], 1_900),
        at_least("tier changes on the bus", figures["tier changes"], size.clients),
        all_of("messages found of those expected", found, expected),
        at_least("messages delivered", figures["deliveries"], DELIVERED),
        at_least("kills of each worker (SIGKILL)", figures["least kills"], KILLS),
        at_least("different failpoints struck", len(figures["failpoints struck"]), 12),
        at_least("workers frozen past two sessions", figures["freezes"], 1),
        at_least("workers that joined", figures["joins"], 4),
        at_least("workers that left", figures["leaves"], 4),
    ]
    never = [
        none(claim, sum(len(findings.faults[kind]) for kind in kinds))
        for claim, kinds in NEVER.items()
    ]
    named = {kind for kinds in NEVER.values() for kind in kinds}
    others = sum(len(each) for kind, each in findings.faults.items() if kind not in named)
    return [*positive, *never, none("faults of any other kind", others)]
