"""Sums and counts within a window, and what is worked out of the sums of several slices of time:
the engine of `count`, `sum`, `net`, `owed`, `ratio`, `change` and `variation`."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Measure,
    Reading,
    amounts,
    changing,
    columns_of,
    counts,
    within,
)
from scoring_service.domain.kernel.moments import midnight_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import NEVER, NO_DAY, Slices, Window

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
        rung, _, totals = reading
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
    first_days, expiries = window.first_days, window.expiries
    bounds, rungs, spans = cuts.bounds, cuts.rungs, cuts.spans()

    def read(facts: Facts, today: int, last: int) -> Reading:
        days, nets = column(facts)
        end = bisect_right(days, last)
        total = sum(nets[bisect_left(days, first_days[today], 0, end) : end])
        return rungs[bisect_right(bounds, total)], total, (total,)

    def falls(
        facts: Facts, today: int, last: int, reading: Reading, until: int
    ) -> Iterable[Fall]:
        days, nets = column(facts)
        if not days:
            return ()
        if days[-1] > last:
            return any_way.falls(facts, today, last, reading, until)
        first = bisect_left(days, first_days[today])
        end = len(days) if until >= NEVER else bisect_left(days, first_days[until >> 1], first)
        return _leaving(days[first:end], nets[first:end], reading) if first < end else ()

    def _leaving(days: Sequence[int], nets: Sequence[int], reading: Reading) -> list[Fall]:
        held, _, (total,) = reading
        rung, least, beyond = spans[bisect_right(bounds, total)]
        found: list[Fall] = []
        on = 0
        for day, net in zip(days, nets, strict=True):
            total -= net
            if least <= total < beyond:
                continue
            expiry = expiries[day]
            if expiry == NO_DAY:
                return found
            if expiry != on and rung != held:
                held = rung
                found.append((midnight_of(on), rung))
            on = expiry
            rung, least, beyond = spans[bisect_right(bounds, total)]
        if rung != held:
            found.append((midnight_of(on), rung))
        return found

    return Measure(read, falls)


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
