"""How long the silence is, as a multiple of the client's own usual gap (C-25, C-26)."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from scoring_service.domain.kernel.cuts import NumberCuts, ratio
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Reading,
    between,
    changing,
    counts,
)
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of, midnight_of
from scoring_service.domain.kernel.source import Fields

_LEAST_DAYS = 3


class _Habit(NamedTuple):
    """The last day, and the lower median of the gaps between days."""

    last: int
    gap: int


class GapMultiple:
    """Days since the last day, over the usual gap: the lower median between distinct days with a
    positive net, of all time; not known before the third such day. Each cut is one fall."""

    def __init__(self, kinds: tuple[str, ...], cuts: NumberCuts) -> None:
        self._kinds = kinds
        self._cuts = cuts

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the value is on the scale of ratios."""
        days = self._days(facts)
        habit = _habit(days[: bisect_right(days, counted_to(moment))])
        value = None if habit is None else ratio(day_of(moment) - habit.last, habit.gap)
        return Reading(self._cuts.rung(value), value, (days, habit))

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        return changing(reading.rung, self._rungs(moment, *reading.state))

    def _rungs(self, moment: int, days: list[int], habit: _Habit | None) -> Iterator[Fall]:
        """The rung as the silence grows, and as later days end it."""
        for number in range(bisect_right(days, counted_to(moment)), len(days)):
            yield from between(self._by_silence(habit), moment, days[number])
            habit = _habit(days[: number + 1])
            yield end_of(days[number]), self._cuts.rung(None if habit is None else 0)
        yield from between(self._by_silence(habit), moment, None)

    def _by_silence(self, habit: _Habit | None) -> Iterator[Fall]:
        """The midnight on which the silence reaches each cut."""
        if habit is None:
            return
        for bound, rung in zip(self._cuts.bounds, self._cuts.rungs[1:], strict=True):
            hundreds, is_above = divmod(bound, 2)
            silence = (
                hundreds * habit.gap // 100 + 1 if is_above else -(-hundreds * habit.gap // 100)
            )
            yield midnight_of(habit.last + silence), rung

    def _days(self, facts: Facts) -> list[int]:
        found: set[int] = set()
        for kind in self._kinds:
            days, nets = facts.series(kind)
            found.update(day for day, net in zip(days, nets, strict=True) if net > 0)
        return sorted(found)


def _habit(days: list[int]) -> _Habit | None:
    if len(days) < _LEAST_DAYS:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    return _Habit(days[-1], gaps[(len(gaps) - 1) // 2])


def _gap_multiple(fields: Fields, cuts: NumberCuts) -> GapMultiple:
    return GapMultiple(counts(fields["of"]), cuts)


GAP_MULTIPLE = Kind("ratio", _gap_multiple, required=("of",), may_be_unknown=True)
"""The silence over the usual gap, in hundredths."""
