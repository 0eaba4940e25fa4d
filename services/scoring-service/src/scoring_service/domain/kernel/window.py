"""A window that ends today: which days count, and when each of them leaves (C-03)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from scoring_service.domain.kernel.facts import Columns, Facts
from scoring_service.domain.kernel.moments import end_of, midnight_of
from scoring_service.domain.periods import Period, first_day_counted

Passage = tuple[int, int | None, int | None, int]
"""(moment, the slice that is left, the slice that is entered, the sum that passes)."""

NO_DAY = date.max.toordinal() + 1
"""The day on which what counts for ever leaves."""
NEVER = midnight_of(NO_DAY)
"""The moment at which what counts for ever leaves."""


class Remembered(dict[int, int]):
    """What follows from a day alone: worked out once, as all clients share it."""

    def __init__(self, of: Callable[[int], int]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, day: int) -> int:
        """Work it out for a day that nobody has asked for."""
        found = self[day] = self._of(day)
        return found


class Window:
    """The last `period`, or all time when it is None.

    `first_days` has the first day that counts on each day, `expiries` the first day on which a day
    no longer counts, `leaves` the moment at which that begins; days are ordinals.
    """

    __slots__ = ("expiries", "first_days", "leaves")

    def __init__(self, period: Period | None) -> None:
        if period is None:
            self.first_days = Remembered(lambda _: 0)
            self.expiries = Remembered(lambda _: NO_DAY)
        else:
            self.first_days = Remembered(
                lambda today: first_day_counted(date.fromordinal(today), period).toordinal()
            )
            self.expiries = Remembered(period.expiry)
        self.leaves = Remembered(lambda day: midnight_of(self.expiries[day]))


class Slices:
    """Nested windows over the sums of some kinds: slice 0 is within the first window, slice 1
    beyond it and within the second, and so on. P6M twice is not P1Y at the ends of months, so each
    window is counted from today. `base` is the number of slice 0 among those of the measure."""

    __slots__ = ("base", "columns", "windows")

    def __init__(
        self, columns: Sequence[Columns], windows: Sequence[Window], base: int = 0
    ) -> None:
        self.columns = tuple(columns)
        self.windows = tuple(windows)
        self.base = base

    def totals(self, facts: Facts, today: int, last: int) -> list[int]:
        """The sum of each slice on a day, by the facts up to the day `last`."""
        reached = [
            sum(sum_between(facts, of, window.first_days[today], last) for of in self.columns)
            for window in self.windows
        ]
        return [outer - inner for inner, outer in zip([0, *reached], reached, strict=False)]

    def passages(self, facts: Facts, today: int, last: int) -> Iterator[Passage]:
        """Every change of a slice's sum after that position, not in order."""
        first = self.windows[-1].first_days[today]
        for of in self.columns:
            days, nets = of(facts)
            for place in range(len(days) - 1, -1, -1):
                day = days[place]
                if day < first:
                    break
                if nets[place]:
                    yield from self._passages_of(day, nets[place], today, last)

    def _passages_of(self, day: int, net: int, today: int, last: int) -> Iterator[Passage]:
        if day > last:
            yield end_of(day), None, self.base, net
        oldest = self.base + len(self.windows) - 1
        for number, window in enumerate(self.windows, start=self.base):
            expiry = window.expiries[day]
            if today < expiry < NO_DAY:
                yield midnight_of(expiry), number, None if number == oldest else number + 1, net


def good_day(facts: Facts, of: Columns, last: int, *, is_first: bool = False) -> int:
    """The last day up to `last`, or the first one, on which the net of a kind is positive (C-15);
    0 when there is none."""
    days, nets = of(facts)
    end = bisect_right(days, last)
    places = range(end) if is_first else range(end - 1, -1, -1)
    return next((days[place] for place in places if nets[place] > 0), 0)


def sum_between(facts: Facts, of: Columns, first: int, last: int) -> int:
    """The sum of a kind from one day to another, both included."""
    days, nets = of(facts)
    end = bisect_right(days, last)
    return sum(nets[bisect_left(days, first, 0, end) : end])
