"""Sums and counts within a window, and what is worked out of the sums of several slices of time:
the engine of `count`, `sum`, `net`, `owed`, `ratio`, `change` and `variation`."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Columns, Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Falls,
    Kind,
    Measure,
    Read,
    Reading,
    amounts,
    changing,
    columns_of,
    counts,
    within,
)
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import NEVER, Slices, Window

_MOMENT = itemgetter(0)
_ONLY = itemgetter(0)


def sums(
    slices: Sequence[Slices], cuts: NumberCuts, value: Callable[[Sequence[int]], int | None]
) -> Measure:
    """A number that `value` works out of the sums of all slices; a fact falls at each edge. The
    state of a reading is those sums."""

    def read(facts: Facts, today: int, last: int) -> Reading:
        totals = [total for each in slices for total in each.totals(facts, today, last)]
        number = value(totals)
        return cuts.rung(number), number, totals

    def falls(facts: Facts, today: int, last: int, reading: Reading, _: int) -> Iterator[Fall]:
        rung, totals = reading[0], reading[2]
        passages = chain.from_iterable(each.passages(facts, today, last) for each in slices)
        return changing(rung, _rungs(passages, list(totals)))

    def _rungs(
        passages: Iterable[tuple[int, int | None, int | None, int]], totals: list[int]
    ) -> Iterator[Fall]:
        for at, together in groupby(sorted(passages, key=_MOMENT), _MOMENT):
            for _, left, entered, net in together:
                if left is not None:
                    totals[left] -= net
                if entered is not None:
                    totals[entered] += net
            yield at, cuts.rung(value(totals))

    return Measure(read, falls)


def window_sum(kinds: tuple[str, ...], window: Window, cuts: NumberCuts) -> Measure:
    """A sum within one window. Where it is of one kind and nothing is dated ahead, its days leave
    in their order, so that two comparisons for each day do."""
    columns = columns_of(kinds)
    any_way = sums([Slices(columns, [window])], cuts, _ONLY)
    if len(columns) > 1:
        return any_way
    column = columns[0]
    return Measure(_read_of(column, window, cuts), _falls_of(column, window, cuts, any_way.falls))


def _read_of(column: Columns, window: Window, cuts: NumberCuts) -> Read:
    """The sum of one kind; it is value and state."""
    first_days, bounds, rungs = window.first_days, cuts.bounds, cuts.rungs

    def read(facts: Facts, today: int, last: int) -> Reading:
        days, nets = column(facts)
        if days and days[-1] <= last:
            total = sum(nets[bisect_left(days, first_days[today]) :])
        else:
            end = bisect_right(days, last)
            total = sum(nets[bisect_left(days, first_days[today], 0, end) : end])
        return rungs[bisect_right(bounds, total)], total, total

    return read


def _falls_of(column: Columns, window: Window, cuts: NumberCuts, any_way: Falls) -> Falls:
    """How the sum of one kind falls; `any_way` where a fact is dated ahead."""
    first_days, leaves = window.first_days, window.leaves
    bounds, spans = cuts.bounds, cuts.spans()

    def falls(facts: Facts, today: int, last: int, reading: Reading, until: int) -> Iterable[Fall]:
        days, nets = column(facts)
        held, value, total = reading
        if days and days[-1] > last:
            return any_way(facts, today, last, (held, value, (total,)), until)
        first = bisect_left(days, first_days[today])
        end = len(days) if until >= NEVER else bisect_left(days, first_days[until >> 1], first)
        return leaving(days[first:end], nets[first:end], held, total) if first < end else ()

    def leaving(days: list[int], nets: list[int], held: int, total: int) -> Iterator[Fall]:
        """The days leave; of some that leave together the last one decides."""
        rung, least, beyond = spans[bisect_right(bounds, total)]
        at = 0
        for day, net in zip(days, nets, strict=True):
            total -= net
            if least <= total < beyond:
                continue
            moment = leaves[day]
            if moment != at and rung != held:
                held = rung
                yield at, rung
            at = moment
            rung, least, beyond = spans[bisect_right(bounds, total)]
        if rung != held and at < NEVER:
            yield at, rung

    return falls


def _count(fields: Fields, cuts: NumberCuts) -> Measure:
    return window_sum(counts(fields["of"]), within(fields), cuts)


def _sum(fields: Fields, cuts: NumberCuts) -> Measure:
    return window_sum(amounts(fields["of"]), within(fields), cuts)


def _net(fields: Fields, cuts: NumberCuts) -> Measure:
    return window_sum(("net",), within(fields), cuts)


def _owed(fields: Fields, cuts: NumberCuts) -> Measure:
    return window_sum(("owed",), within(fields), cuts)


COUNT = Kind("number", _count, required=("of",), optional=("within",))
"""How many, less what was taken back."""
SUM = Kind("number", _sum, required=("of",), optional=("within",), is_money=True)
"""Money of the kinds that are named."""
NET = Kind("number", _net, optional=("within",), is_money=True)
"""Settled less refunded; a refund lands on the day of its payment."""
OWED = Kind("number", _owed, optional=("within",), is_money=True)
"""Due less paid."""
