"""Sums and counts within a window, and what is worked out of the sums of several slices of time:
the engine of `count`, `sum`, `net`, `owed`, `ratio`, `change` and `variation`."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Reading,
    amounts,
    changing,
    counts,
    within,
)
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import NEVER, Slices, Window, sum_between

_MOMENT = itemgetter(0)
_ONLY = itemgetter(0)


class Sums:
    """A number that `value` works out of the sums of all slices; a fact falls at each edge."""

    def __init__(
        self,
        slices: Sequence[Slices],
        cuts: NumberCuts,
        value: Callable[[Sequence[int]], int | None],
    ) -> None:
        self._slices = slices
        self._cuts = cuts
        self._value = value

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the state is the sums of the slices."""
        totals = [total for slices in self._slices for total in slices.totals(facts, moment)]
        value = self._value(totals)
        return Reading(self._cuts.rung(value), value, totals)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        return changing(reading.rung, self._rungs(facts, moment, list(reading.state)))

    def _rungs(self, facts: Facts, moment: int, totals: list[int]) -> Iterator[Fall]:
        passages = chain.from_iterable(each.passages(facts, moment) for each in self._slices)
        for at, together in groupby(sorted(passages, key=_MOMENT), _MOMENT):
            for _, left, entered, net in together:
                if left is not None:
                    totals[left] -= net
                if entered is not None:
                    totals[entered] += net
            yield at, self._cuts.rung(self._value(totals))


class WindowSum(Sums):
    """A sum within one window. Where it is of one kind and nothing is dated ahead, its days leave
    in their order, so that two comparisons for each day do."""

    def __init__(self, kinds: tuple[str, ...], window: Window, cuts: NumberCuts) -> None:
        super().__init__([Slices(kinds, [window])], cuts, _ONLY)
        self._kinds = kinds
        self._window = window

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`."""
        first, last = self._window.first_day(day_of(moment)), counted_to(moment)
        total = 0
        for kind in self._kinds:
            total += sum_between(facts, kind, first, last)
        return Reading(self._cuts.rung(total), total, (total,))

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        days, nets = facts.series(self._kinds[0])
        if len(self._kinds) > 1 or (days and end_of(days[-1]) > moment):
            return super().falls(facts, moment, reading)
        first = bisect_left(days, self._window.first_day(day_of(moment)))
        return self._leaving(days[first:], nets[first:], reading)

    def _leaving(self, days: list[int], nets: list[int], reading: Reading) -> Iterator[Fall]:
        total, held = reading.state[0], reading.rung
        rung, least, beyond = self._cuts.span(total)
        at = 0
        for day, net in zip(days, nets, strict=True):
            total -= net
            if least <= total < beyond:
                continue
            leaves = self._window.leaves(day)
            if leaves == NEVER:
                return
            if leaves != at and rung != held:
                held = rung
                yield at, rung
            at = leaves
            rung, least, beyond = self._cuts.span(total)
        if rung != held:
            yield at, rung


def _count(fields: Fields, cuts: NumberCuts) -> WindowSum:
    return WindowSum(counts(fields["of"]), within(fields), cuts)


def _sum(fields: Fields, cuts: NumberCuts) -> WindowSum:
    return WindowSum(amounts(fields["of"]), within(fields), cuts)


def _net(fields: Fields, cuts: NumberCuts) -> WindowSum:
    return WindowSum(("net",), within(fields), cuts)


def _owed(fields: Fields, cuts: NumberCuts) -> WindowSum:
    return WindowSum(("owed",), within(fields), cuts)


COUNT = Kind("number", _count, required=("of",), optional=("within",))
"""How many, less what was taken back."""
SUM = Kind("number", _sum, required=("of",), optional=("within",), is_money=True)
"""Money of the kinds that are named."""
NET = Kind("number", _net, optional=("within",), is_money=True)
"""Settled less refunded; a refund lands on the day of its payment."""
OWED = Kind("number", _owed, optional=("within",), is_money=True)
"""Due less paid."""
