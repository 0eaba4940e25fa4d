"""The time since the first or the last day on which something of some kinds happened."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scoring_service.domain.kernel.cuts import PeriodCuts
from scoring_service.domain.kernel.facts import Columns, Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Falls,
    Kind,
    Measure,
    Reading,
    any_kinds,
    between,
    changing,
    columns_of,
)
from scoring_service.domain.kernel.moments import end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import Window, good_day


class _Ages(NamedTuple):
    """For each period, the longest first, when a day leaves it; the rung of a day by how many
    periods it lies within; where the periods begin that end on a day."""

    leaves: Sequence[Mapping[int, int]]
    rungs: Sequence[int]
    starts: Mapping[int, Sequence[int]]


def days_since(kinds: Sequence[str], cuts: PeriodCuts, *, is_first: bool) -> Measure:
    """A day counts for a kind when its net is positive (C-15); over several kinds it is the last
    or the first of their days, never a day of the mixture. One fall for each period. The value is
    the day's ordinal, the state how many periods it lies within."""
    columns = columns_of(kinds)
    windows = [Window(period) for period in cuts.periods]
    ages = _Ages([window.leaves for window in windows], cuts.rungs, _Starts(windows))
    rungs, unknown, starts = cuts.rungs, cuts.unknown, ages.starts
    day_of = _first_day if is_first else _last_day

    def read(facts: Facts, today: int, last: int) -> Reading:
        day = day_of(facts, columns, last)
        if not day:
            return unknown, None, 0
        held = bisect_right(starts[today], day)
        return rungs[held], day, held

    falls = _falls_of(columns, ages, is_first=is_first)
    return Measure(read, falls, is_cheap=True)


def _falls_of(columns: Sequence[Columns], ages: _Ages, *, is_first: bool) -> Falls:
    leaves, rungs, _ = ages

    def falls(facts: Facts, today: int, last: int, reading: Reading, _: int) -> Iterable[Fall]:
        rung, value, held = reading
        day = value if isinstance(value, int) else 0
        for column in columns:
            days, _nets = column(facts)
            if days and days[-1] > last:
                coming = [] if is_first and day else _coming(facts, columns, last)
                return changing(rung, _rungs(ages, day, today, coming[:1] if is_first else coming))
        return [(leaves[number][day], rungs[number]) for number in range(held - 1, -1, -1)]

    return falls


def _rungs(ages: _Ages, day: int, today: int, coming: Sequence[int]) -> Iterator[Fall]:
    """The rung as the day grows old, and as later ones take its place."""
    for each in coming:
        yield from between(_by_age(ages, day), today, each)
        day = each
        yield end_of(day), ages.rungs[bisect_right(ages.starts[day], day)]
    yield from between(_by_age(ages, day), today, None)


def _by_age(ages: _Ages, day: int) -> Iterator[Fall]:
    """The day grows old, one period after the other."""
    if day:
        for number in range(len(ages.leaves) - 1, -1, -1):
            yield ages.leaves[number][day], ages.rungs[number]


class _Starts(dict[int, list[int]]):
    """Where the periods that end on a day begin, the longest first; worked out once for a day."""

    def __init__(self, windows: Sequence[Window]) -> None:
        super().__init__()
        self._windows = windows

    def __missing__(self, today: int) -> list[int]:
        found = self[today] = [window.first_days[today] for window in self._windows]
        return found


def _last_day(facts: Facts, columns: Sequence[Columns], last: int) -> int:
    found = 0
    for column in columns:
        days, nets = column(facts)
        place = bisect_right(days, last)
        while place:
            place -= 1
            if nets[place] > 0:
                if days[place] > found:
                    found = days[place]
                break
    return found


def _first_day(facts: Facts, columns: Sequence[Columns], last: int) -> int:
    days = (good_day(facts, column, last, is_first=True) for column in columns)
    return min((day for day in days if day), default=0)


def _coming(facts: Facts, columns: Sequence[Columns], last: int) -> list[int]:
    """The days after `last` on which a kind has a positive net."""
    coming: set[int] = set()
    for column in columns:
        days, nets = column(facts)
        first = bisect_right(days, last)
        pairs = zip(days[first:], nets[first:], strict=True)
        coming.update(day for day, net in pairs if net > 0)
    return sorted(coming)


def _days_since(fields: Fields, cuts: PeriodCuts) -> Measure:
    is_first = fields["which"].word(("first", "last")) == "first"
    return days_since(any_kinds(fields["of"]), cuts, is_first=is_first)


DAYS_SINCE = Kind("period", _days_since, required=("which", "of"), may_be_unknown=True)
"""Not known until it has happened."""
