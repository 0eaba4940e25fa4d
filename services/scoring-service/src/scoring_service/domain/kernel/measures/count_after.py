"""How much came after the last day of something else, such as hours after a case was closed."""

from bisect import bisect_right
from collections.abc import Iterator

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Reading,
    changing,
    counts,
)
from scoring_service.domain.kernel.moments import counted_to, end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import good_day, sum_between


class CountAfter:
    """The sum of some kinds on the days after the last day of others that has a positive net; not
    known without such a day. Only facts that are dated ahead change it by time."""

    def __init__(self, kinds: tuple[str, ...], after: tuple[str, ...], cuts: NumberCuts) -> None:
        self._kinds = kinds
        self._after = after
        self._cuts = cuts

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`."""
        last = counted_to(moment)
        since = max(good_day(facts, kind, last) for kind in self._after)
        total = None
        if since:
            total = sum(sum_between(facts, kind, since + 1, last) for kind in self._kinds)
        return Reading(self._cuts.rung(total), total)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        coming: set[int] = set()
        for kind in (*self._kinds, *self._after):
            days = facts.series(kind).days
            coming.update(days[bisect_right(days, counted_to(moment)) :])
        ends = map(end_of, sorted(coming))
        return changing(reading.rung, ((at, self.read(facts, at).rung) for at in ends))


def _count_after(fields: Fields, cuts: NumberCuts) -> CountAfter:
    return CountAfter(counts(fields["of"]), counts(fields["after"]), cuts)


COUNT_AFTER = Kind("number", _count_after, required=("of", "after"), may_be_unknown=True)
"""The day itself is not after it."""
