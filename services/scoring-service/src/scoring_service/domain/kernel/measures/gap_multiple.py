"""How long the silence is, as a multiple of the client's own usual gap (C-25, C-26)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from scoring_service.domain.kernel.cuts import NumberCuts, ratio
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Measure,
    Reading,
    between,
    changing,
    columns_of,
    counts,
)
from scoring_service.domain.kernel.moments import end_of, midnight_of
from scoring_service.domain.kernel.source import Fields

_LEAST_DAYS = 3


class _Habit(NamedTuple):
    """The last day, and the lower median of the gaps between days."""

    last: int
    gap: int


class _GapMultiple:
    """Days since the last day, over the usual gap: the lower median between distinct days with a
    positive net, of all time; not known before the third such day. Each cut is one fall. The value
    is on the scale of ratios, the state the days and the habit."""

    def __init__(self, kinds: Sequence[str], cuts: NumberCuts) -> None:
        self._columns = columns_of(kinds)
        self._cuts = cuts

    def read(self, facts: Facts, today: int, last: int) -> Reading:
        days = self._days(facts)
        habit = _habit(days[: bisect_right(days, last)])
        value = None if habit is None else ratio(max(0, today - habit.last), habit.gap)
        return self._cuts.rung(value), value, (days, habit)

    def falls(
        self, facts: Facts, today: int, last: int, reading: Reading, _: int
    ) -> Iterator[Fall]:
        rung, _value, (days, habit) = reading
        return changing(rung, self._rungs(today, last, days, habit))

    def _rungs(
        self, today: int, last: int, days: list[int], habit: _Habit | None
    ) -> Iterator[Fall]:
        """The rung as the silence grows, and as later days end it."""
        for number in range(bisect_right(days, last), len(days)):
            yield from between(self._by_silence(habit), today, days[number])
            habit = _habit(days[: number + 1])
            yield end_of(days[number]), self._cuts.rung(None if habit is None else 0)
        yield from between(self._by_silence(habit), today, None)

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
        for column in self._columns:
            days, nets = column(facts)
            found.update(day for day, net in zip(days, nets, strict=True) if net > 0)
        return sorted(found)


def _habit(days: list[int]) -> _Habit | None:
    if len(days) < _LEAST_DAYS:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    return _Habit(days[-1], gaps[(len(gaps) - 1) // 2])


def _gap_multiple(fields: Fields, cuts: NumberCuts) -> Measure:
    one = _GapMultiple(counts(fields["of"]), cuts)
    return Measure(one.read, one.falls)


GAP_MULTIPLE = Kind("ratio", _gap_multiple, required=("of",), may_be_unknown=True)
"""The silence over the usual gap, in hundredths."""
