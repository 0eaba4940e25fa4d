"""The time since the first or the last day on which something of some kinds happened."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal

from scoring_service.domain.kernel.cuts import PeriodCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Reading,
    any_kinds,
    between,
    changing,
)
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import Window, good_day

Which = Literal["first", "last"]


class DaysSince:
    """A day counts for a kind when its net is positive (C-15); over several kinds it is the last
    or the first of their days, never a day of the mixture. One fall for each period."""

    def __init__(self, kinds: tuple[str, ...], which: Which, cuts: PeriodCuts) -> None:
        self._kinds = kinds
        self._is_first = which == "first"
        self._cuts = cuts
        self._windows = [Window(period) for period in cuts.periods]
        self._starts: dict[int, tuple[int, ...]] = {}

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the value is the day's ordinal."""
        day = self._day(facts, counted_to(moment))
        return Reading(self._rung(day, moment), day or None)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        day = reading.value if isinstance(reading.value, int) else 0
        return changing(reading.rung, self._rungs(facts, moment, day))

    def _rungs(self, facts: Facts, moment: int, day: int) -> Iterator[Fall]:
        """The rung as the day grows old, and as later ones take its place."""
        for coming in self._coming(facts, moment, day):
            yield from between(self._expiries(day), moment, coming)
            day = coming
            yield end_of(day), self._rung(day, end_of(day))
        yield from between(self._expiries(day), moment, None)

    def _rung(self, day: int, moment: int) -> int:
        if not day:
            return self._cuts.unknown
        today = day_of(moment)
        starts = self._starts.get(today)
        if starts is None:
            starts = tuple(window.first_day(today) for window in self._windows)
            self._starts[today] = starts
        return self._cuts.rungs[bisect_right(starts, day)]

    def _expiries(self, day: int) -> Iterator[Fall]:
        """The day grows old, one period after the other."""
        if day:
            for place in range(len(self._windows) - 1, -1, -1):
                yield self._windows[place].leaves(day), self._cuts.rungs[place]

    def _day(self, facts: Facts, last: int) -> int:
        """The first or last day up to `last`, 0 when there is none."""
        found = 0
        for kind in self._kinds:
            day = good_day(facts, kind, last, is_first=self._is_first)
            if day and (not found or (day < found) == self._is_first):
                found = day
        return found

    def _coming(self, facts: Facts, moment: int, known: int) -> list[int]:
        """The days after the moment that will take the place of the day that is known."""
        if self._is_first and known:
            return []
        last = counted_to(moment)
        coming: set[int] = set()
        for kind in self._kinds:
            days, nets = facts.series(kind)
            if days and days[-1] > last:
                first = bisect_right(days, last)
                pairs = zip(days[first:], nets[first:], strict=True)
                coming.update(day for day, net in pairs if net > 0)
        return sorted(coming)[: 1 if self._is_first else None]


def _days_since(fields: Fields, cuts: PeriodCuts) -> DaysSince:
    which: Which = "first" if fields["which"].word(("first", "last")) == "first" else "last"
    return DaysSince(any_kinds(fields["of"]), which, cuts)


DAYS_SINCE = Kind("period", _days_since, required=("which", "of"), may_be_unknown=True)
"""Not known until it has happened."""
