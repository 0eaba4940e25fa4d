"""What is said by the keys of facts: the best price, how many different codes."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Measure,
    Reading,
    changing,
    counts,
    within,
)
from scoring_service.domain.kernel.moments import end_of, midnight_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import NO_DAY, Window

_MOMENT = itemgetter(0)


def number_of_keys(
    kinds: Sequence[str],
    window: Window,
    cuts: NumberCuts,
    value: Callable[[Collection[str]], int | None],
) -> Measure:
    """A number of the keys that have a day with a positive net within the window; the state is the
    number of such days of each key."""

    def read(facts: Facts, today: int, last: int) -> Reading:
        expiries = window.expiries
        holding = Counter(
            key for key, day in _days(facts) if day <= last and today < expiries[day]
        )
        number = value(holding)
        return cuts.rung(number), number, holding

    def falls(facts: Facts, today: int, last: int, reading: Reading, _: int) -> Iterator[Fall]:
        rung, _value, holding = reading
        return changing(rung, _rungs(facts, today, last, Counter(holding)))

    def _rungs(facts: Facts, today: int, last: int, holding: Counter[str]) -> Iterator[Fall]:
        passages: list[tuple[int, str, int]] = []
        for key, day in _days(facts):
            expiry = window.expiries[day]
            if day > last:
                passages.append((end_of(day), key, 1))
            if today < expiry < NO_DAY:
                passages.append((midnight_of(expiry), key, -1))
        passages.sort(key=_MOMENT)
        for at, together in groupby(passages, _MOMENT):
            for _, key, step in together:
                holding[key] += step
                if not holding[key]:
                    del holding[key]
            yield at, cuts.rung(value(holding))

    def _days(facts: Facts) -> Iterator[tuple[str, int]]:
        for kind in kinds:
            for key, (days, nets) in facts.keyed(kind).items():
                for day, net in zip(days, nets, strict=True):
                    if net > 0:
                        yield key, day

    return Measure(read, falls)


def _highest(keys: Collection[str]) -> int | None:
    return max(map(int, keys), default=None)


def _best(fields: Fields, cuts: NumberCuts) -> Measure:
    return number_of_keys(counts(fields["of"]), within(fields), cuts, _highest)


def _distinct(fields: Fields, cuts: NumberCuts) -> Measure:
    return number_of_keys(counts(fields["of"]), within(fields), cuts, len)


BEST = Kind(
    "number",
    _best,
    required=("of",),
    optional=("within",),
    may_be_unknown=True,
    is_money=True,
)
"""The highest price among the keys; not known without one."""
DISTINCT = Kind("number", _distinct, required=("of",), optional=("within",))
"""How many different keys."""
