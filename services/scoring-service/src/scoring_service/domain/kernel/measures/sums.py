"""Sums and counts within a window, and what is worked out of the sums of several slices of time:
the engine of `count`, `sum`, `net`, `owed`, `ratio`, `change` and `variation`."""

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
    counts,
    within,
)
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import Slices

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
        totals, held = list(reading.state), reading.rung
        passages = chain.from_iterable(each.passages(facts, moment) for each in self._slices)
        for at, together in groupby(sorted(passages, key=_MOMENT), _MOMENT):
            for _, left, entered, net in together:
                if left is not None:
                    totals[left] -= net
                if entered is not None:
                    totals[entered] += net
            rung = self._cuts.rung(self._value(totals))
            if rung != held:
                held = rung
                yield at, rung


def _count(fields: Fields, cuts: NumberCuts) -> Sums:
    return Sums([Slices(counts(fields["of"]), [within(fields)])], cuts, _ONLY)


def _sum(fields: Fields, cuts: NumberCuts) -> Sums:
    return Sums([Slices(amounts(fields["of"]), [within(fields)])], cuts, _ONLY)


def _net(fields: Fields, cuts: NumberCuts) -> Sums:
    return Sums([Slices(("net",), [within(fields)])], cuts, _ONLY)


def _owed(fields: Fields, cuts: NumberCuts) -> Sums:
    return Sums([Slices(("owed",), [within(fields)])], cuts, _ONLY)


COUNT = Kind("number", _count, required=("of",), optional=("within",))
"""How many, less what was taken back."""
SUM = Kind("number", _sum, required=("of",), optional=("within",), is_money=True)
"""Money of the kinds that are named."""
NET = Kind("number", _net, optional=("within",), is_money=True)
"""Settled less refunded; a refund lands on the day of its payment."""
OWED = Kind("number", _owed, optional=("within",), is_money=True)
"""Due less paid."""
