"""Faults one by one and together: the short storm, compared with the oracles."""

from collections.abc import Iterable

from tools.campaign.cli import storm
from tools.campaign.plan import short
from tools.campaign.report import DOUBLED, LOST, QUESTIONS, SENT_TWICE, WRONG, Round, percentile
from tools.claim import Bench, Measured, all_of, at_least, none

LEAST_FAULTS = 25
EVENTS = 2_000
EVENINGS, CLIENTS, ASKED, CANARIES = 3, 150, 50, 50
"""So much must have been looked at for the lines below to say anything."""


def measure(bench: Bench) -> Iterable[Measured]:
    """One short storm on servers of its own, with this run's seed."""
    done = storm(short, bench.seed, bench.folder / "storm", bench.say)
    if done.broke_off:
        raise RuntimeError(done.broke_off)
    return claims(done)


def claims(done: Round) -> list[Measured]:
    """What a round has shown, as lines of the proof."""
    recovered = [i.recovered_seconds for i in done.incidents if i.recovered_seconds is not None]
    named = (*LOST, *DOUBLED, *WRONG, *SENT_TWICE)
    others = done.faults_found - done.faults_of(named)
    slowest = percentile(recovered, 99)
    figures = done.findings.figures
    return [
        at_least("storm: faults injected", len(done.incidents), LEAST_FAULTS),
        at_least("storm: events", done.events, EVENTS),
        at_least("storm: clients compared with the oracle", figures["clients compared"], CLIENTS),
        all_of("storm: evenings compared", figures["days compared"], EVENINGS),
        at_least("storm: questions to APIs meanwhile", figures[QUESTIONS], ASKED),
        at_least("storm: canaries that arrived", figures["canaries where they belong"], CANARIES),
        none("storm: events or messages lost", done.faults_of(LOST)),
        none("storm: events or changes doubled", done.faults_of(DOUBLED)),
        none("storm: wrong tiers, at the end and on three evenings", done.faults_of(WRONG)),
        none("storm: double sends", done.faults_of(SENT_TWICE)),
        none("storm: anything else that must not be", others),
        all_of(
            f"storm: faults recovered from (p99 {slowest:.0f} s)",
            len(recovered),
            len(done.incidents),
        ),
    ]
