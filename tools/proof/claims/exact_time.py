"""Exact time: random histories against an oracle at every local midnight and the instant before."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from scoring_service.domain.assess import next_transition
from scoring_service.domain.periods import local_day
from tests.support.generators.tier_histories import (
    digest_of,
    judged,
    logs,
    oracle_rows,
    replay,
    rows_of,
)
from tests.support.oracles import tiers as oracle_tiers
from tools.claim import Bench, Measured, all_of, none

HISTORIES = 1_000


def measure(bench: Bench) -> Iterable[Measured]:
    """`HISTORIES` random histories with this run's seed; each compared as a whole."""
    bench.say(f"{HISTORIES:,} random histories against the oracle")
    tried, changed, wrong_changes, wrong_coming = compare(HISTORIES, bench.seed)
    return [
        all_of("exact time: random histories compared", tried, HISTORIES),
        Measured(
            "exact time: changes of tier in them", f"{changed:,}", "> histories", changed > tried
        ),
        none("exact time: changes that differ from the oracle's", wrong_changes),
        none("exact time: next transitions that differ", wrong_coming),
    ]


def compare(histories: int, number: int) -> tuple[int, int, int, int]:
    """Histories tried, changes in them, histories with wrong changes, with a wrong transition."""
    figures = [0, 0, 0, 0]

    @seed(number)
    @settings(
        max_examples=histories,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(logs(), st.lists(st.booleans(), min_size=1, max_size=7))
    def each(logged: tuple[Any, ...], sweeps: list[bool]) -> None:
        changed, changes_agree, coming_agrees = _agrees(logged, sweeps)
        figures[0] += 1
        figures[1] += changed
        figures[2] += not changes_agree
        figures[3] += not coming_agrees

    each()
    return figures[0], figures[1], figures[2], figures[3]


def _agrees(logged: tuple[Any, ...], sweeps: list[bool]) -> tuple[int, bool, bool]:
    """How many changes a history has; whether they, and what is to come, are the oracle's.

    The oracle looks at every local midnight and at one microsecond before it.
    """
    rules, rulebook, zone, log = logged
    oracle = judged(rules, zone, log)
    expected = oracle_rows(oracle)
    today = local_day(log[-1], zone)
    found = next_transition(digest_of(oracle.facts), rulebook, today, zone)
    coming = oracle_tiers.next_transition(rules, oracle.facts, today, zone)
    computed = found and (found.on, found.at, found.from_tier, found.to_tier)
    return (
        len(expected),
        rows_of(replay(rulebook, zone, log, sweeps)) == expected,
        computed == coming,
    )
