"""Every grading on one kernel: random clients of every document against an oracle, by this seed."""

from collections.abc import Iterable
from random import Random

from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES, history
from tests.support.worlds.scheme_clients import (
    daily_trail,
    live_trail,
    oracle_differs,
)
from tools.claim import Bench, Measured, all_of, none

HISTORIES = 10_000
EACH_DAY = 100
"""One history of so many is looked at every day of its time, too."""
_TWO_YEARS = 731


def measure(bench: Bench) -> Iterable[Measured]:
    """`HISTORIES` random histories for each document."""
    bench.say(f"{HISTORIES:,} random histories for each of {len(SCHEMES)} schemes")
    for key in SCHEMES:
        tried, changed, wrong, wrong_days = compare(key, HISTORIES, bench.seed)
        yield all_of(f"every scheme: {key}, random histories compared", tried, HISTORIES)
        yield Measured(f"every scheme: {key}, changes in them", f"{changed:,}", "> 0", changed > 0)
        yield none(f"every scheme: {key}, places where the oracle has another tier", wrong)
        yield none(f"every scheme: {key}, histories that differ from each day's", wrong_days)


def compare(key: str, histories: int, seed: int) -> tuple[int, int, int, int]:
    """Histories tried, changes in them, places where the oracle differs, histories in which
    standing anew each day differs."""
    tried = changed = wrong = wrong_days = 0
    for number in range(histories):
        random = Random(f"{seed}/{key}/{number}")
        arrivals = history(DOCUMENTS[key], random)
        last = arrivals[-1].day.toordinal() + _TWO_YEARS if arrivals else 0
        trail = live_trail(SCHEMES[key], arrivals, last)
        tried += 1
        changed += len(trail)
        wrong += len(oracle_differs(SCHEMES[key], arrivals, trail, last, random, 2))
        if number % EACH_DAY == 0:
            wrong_days += trail != daily_trail(SCHEMES[key], arrivals, last)
    return tried, changed, wrong, wrong_days
