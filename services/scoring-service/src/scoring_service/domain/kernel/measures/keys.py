"""What is said by the keys of facts: the best price, how many different codes."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from operator import itemgetter

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Reading,
    changing,
    counts,
    within,
)
from scoring_service.domain.kernel.moments import end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import NEVER, Window

_MOMENT = itemgetter(0)


class Keys:
    """A number of the keys that have a day with a positive net within the window."""

    def __init__(
        self,
        kinds: tuple[str, ...],
        window: Window,
        cuts: NumberCuts,
        value: Callable[[Collection[str]], int | None],
    ) -> None:
        self._kinds = kinds
        self._window = window
        self._cuts = cuts
        self._value = value

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the state is the number of such days of each key."""
        holding = Counter(key for key, day in self._days(facts) if self._window.holds(day, moment))
        value = self._value(holding)
        return Reading(self._cuts.rung(value), value, holding)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        return changing(reading.rung, self._rungs(facts, moment, Counter(reading.state)))

    def _rungs(self, facts: Facts, moment: int, holding: Counter[str]) -> Iterator[Fall]:
        passages = [
            (at, key, step)
            for key, day in self._days(facts)
            for at, step in ((end_of(day), 1), (self._window.leaves(day), -1))
            if moment < at < NEVER
        ]
        passages.sort(key=_MOMENT)
        for at, together in groupby(passages, _MOMENT):
            for _, key, step in together:
                holding[key] += step
                if not holding[key]:
                    del holding[key]
            yield at, self._cuts.rung(self._value(holding))

    def _days(self, facts: Facts) -> Iterator[tuple[str, int]]:
        for kind in self._kinds:
            for key, (days, nets) in facts.keyed(kind).items():
                for day, net in zip(days, nets, strict=True):
                    if net > 0:
                        yield key, day


def _highest(keys: Collection[str]) -> int | None:
    return max(map(int, keys), default=None)


def _best(fields: Fields, cuts: NumberCuts) -> Keys:
    return Keys(counts(fields["of"]), within(fields), cuts, _highest)


def _distinct(fields: Fields, cuts: NumberCuts) -> Keys:
    return Keys(counts(fields["of"]), within(fields), cuts, len)


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
