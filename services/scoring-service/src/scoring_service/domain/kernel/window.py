"""A window that ends today: which days count, and when each of them leaves (C-03)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date

from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of, midnight_of
from scoring_service.domain.periods import Period, first_day_counted

Passage = tuple[int, int | None, int | None, int]
"""(moment, the slice that is left, the slice that is entered, the sum that passes)."""

NEVER = 2 * (date.max.toordinal() + 1)
"""The moment at which what counts for ever leaves."""


class Window:
    """The last `period`, or all time when it is None."""

    __slots__ = ("_first_days", "period")

    def __init__(self, period: Period | None) -> None:
        self.period = period
        self._first_days: dict[int, int] = {}

    def first_day(self, today: int) -> int:
        """The first day that counts on that day, both ordinals; remembered, as all clients share
        it."""
        if self.period is None:
            return 0
        first = self._first_days.get(today)
        if first is None:
            day = first_day_counted(date.fromordinal(today), self.period)
            first = self._first_days[today] = day.toordinal()
        return first

    def leaves(self, day: int) -> int:
        """The moment from which that day no longer counts."""
        return NEVER if self.period is None else midnight_of(self.period.expiry(day))

    def holds(self, day: int, moment: int) -> bool:
        """Whether that day counts at that moment."""
        return end_of(day) <= moment < self.leaves(day)


class Slices:
    """Nested windows over the sums of some kinds: slice 0 is within the first window, slice 1
    beyond it and within the second, and so on. P6M twice is not P1Y at the ends of months, so each
    window is counted from today. `base` is the number of slice 0 among those of the measure."""

    __slots__ = ("base", "kinds", "windows")

    def __init__(self, kinds: tuple[str, ...], windows: Sequence[Window], base: int = 0) -> None:
        self.kinds = kinds
        self.windows = tuple(windows)
        self.base = base

    def totals(self, facts: Facts, moment: int) -> list[int]:
        """The sum of each slice at that moment."""
        today, last = day_of(moment), counted_to(moment)
        reached = [self._since(facts, window.first_day(today), last) for window in self.windows]
        return [outer - inner for inner, outer in zip([0, *reached], reached, strict=False)]

    def passages(self, facts: Facts, moment: int) -> Iterator[Passage]:
        """Every change of a slice's sum after that moment, not in order."""
        longest = self.windows[-1]
        first = longest.first_day(day_of(moment))
        for kind in self.kinds:
            days, nets = facts.series(kind)
            for place in range(len(days) - 1, -1, -1):
                day = days[place]
                if day < first:
                    break
                if nets[place]:
                    yield from self._passages_of(day, nets[place], moment)

    def _passages_of(self, day: int, net: int, moment: int) -> Iterator[Passage]:
        if end_of(day) > moment:
            yield end_of(day), None, self.base, net
        last = len(self.windows) - 1
        for number, window in enumerate(self.windows, start=self.base):
            leaves = window.leaves(day)
            if moment < leaves < NEVER:
                yield leaves, number, None if number == self.base + last else number + 1, net

    def _since(self, facts: Facts, first: int, last: int) -> int:
        return sum(sum_between(facts, kind, first, last) for kind in self.kinds)


def good_day(facts: Facts, kind: str, last: int, *, is_first: bool = False) -> int:
    """The last day up to `last`, or the first one, on which the net of a kind is positive (C-15);
    0 when there is none."""
    days, nets = facts.series(kind)
    end = bisect_right(days, last)
    places = range(end) if is_first else range(end - 1, -1, -1)
    return next((days[place] for place in places if nets[place] > 0), 0)


def sum_between(facts: Facts, kind: str, first: int, last: int) -> int:
    """The sum of a kind from one day to another, both included."""
    days, nets = facts.series(kind)
    end = bisect_right(days, last)
    return sum(nets[bisect_left(days, first, 0, end) : end])
