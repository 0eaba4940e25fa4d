"""How much came after the last day of something else, such as hours after a case was closed."""

from bisect import bisect_right
from collections.abc import Iterator

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import (
    Fall,
    Kind,
    Measure,
    Reading,
    changing,
    columns_of,
    counts,
)
from scoring_service.domain.kernel.moments import end_of
from scoring_service.domain.kernel.source import Fields
from scoring_service.domain.kernel.window import good_day, sum_between


def _count_after(fields: Fields, cuts: NumberCuts) -> Measure:
    """The sum of some kinds on the days after the last day of others that has a positive net; not
    known without such a day. Only facts that are dated ahead change it by time."""
    counted, ends = columns_of(counts(fields["of"])), columns_of(counts(fields["after"]))

    def read(facts: Facts, today: int, last: int) -> Reading:
        since = max(good_day(facts, column, last) for column in ends)
        total = None
        if since:
            total = sum(sum_between(facts, column, since + 1, last) for column in counted)
        return cuts.rung(total), total, None

    def falls(facts: Facts, today: int, last: int, reading: Reading, _: int) -> Iterator[Fall]:
        coming: set[int] = set()
        for column in (*counted, *ends):
            days, _nets = column(facts)
            coming.update(days[bisect_right(days, last) :])
        steps = ((end_of(day), read(facts, day, day)[0]) for day in sorted(coming))
        return changing(reading[0], steps)

    return Measure(read, falls)


COUNT_AFTER = Kind("number", _count_after, required=("of", "after"), may_be_unknown=True)
"""The day itself is not after it."""
