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


class _Keys:
    """A number of the keys that have a day with a positive net within the window; the state is the
    number of such days of each key."""

    def __init__(
        self,
        kinds: Sequence[str],
        window: Window,
        cuts: NumberCuts,
        value: Callable[[Collection[str]], int | None],
    ) -> None:
        self._kinds = kinds
        self._expiries = window.expiries
        self._cuts = cuts
        self._value = value

    def read(self, facts: Facts, today: int, last: int) -> Reading:
        holding = Counter(
            key for key, day in self._days(facts) if day <= last and today < self._expiries[day]
        )
        value = self._value(holding)
        return self._cuts.rung(value), value, holding

    def falls(
        self, facts: Facts, today: int, last: int, reading: Reading, _: int
    ) -> Iterator[Fall]:
        rung, _value, holding = reading
        passages = sorted(self._passages(facts, today, last), key=_MOMENT)
        return changing(rung, self._rungs(passages, Counter(holding)))

    def _rungs(
        self, passages: Sequence[tuple[int, str, int]], holding: Counter[str]
    ) -> Iterator[Fall]:
        for at, together in groupby(passages, _MOMENT):
            for _, key, step in together:
                holding[key] += step
                if not holding[key]:
                    del holding[key]
            yield at, self._cuts.rung(self._value(holding))

    def _passages(self, facts: Facts, today: int, last: int) -> Iterator[tuple[int, str, int]]:
        """The moment at which a day comes or leaves, its key, and the difference."""
        for key, day in self._days(facts):
            expiry = self._expiries[day]
            if day > last:
                yield end_of(day), key, 1
            if today < expiry < NO_DAY:
                yield midnight_of(expiry), key, -1

    def _days(self, facts: Facts) -> Iterator[tuple[str, int]]:
        for kind in self._kinds:
            for key, (days, nets) in facts.keyed(kind).items():
                for day, net in zip(days, nets, strict=True):
                    if net > 0:
                        yield key, day


def _highest(keys: Collection[str]) -> int | None:
    return max(map(int, keys), default=None)


def _best(fields: Fields, cuts: NumberCuts) -> Measure:
    one = _Keys(counts(fields["of"]), within(fields), cuts, _highest)
    return Measure(one.read, one.falls)


def _distinct(fields: Fields, cuts: NumberCuts) -> Measure:
    one = _Keys(counts(fields["of"]), within(fields), cuts, len)
    return Measure(one.read, one.falls)


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
