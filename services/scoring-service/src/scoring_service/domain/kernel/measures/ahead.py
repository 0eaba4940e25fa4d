"""How much is booked on later days; it alone looks past the day."""

from bisect import bisect_right
from collections.abc import Iterator

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts, columns
from scoring_service.domain.kernel.measures.measure import Fall, Kind, Measure, Reading, changing
from scoring_service.domain.kernel.moments import midnight_of
from scoring_service.domain.kernel.source import Fields


def _ahead(_: Fields, cuts: NumberCuts) -> Measure:
    """The net of `booked` on days after today; it falls when a day comes."""
    booked = columns("booked")

    def read(facts: Facts, today: int, last: int) -> Reading:
        days, nets = booked(facts)
        total = sum(nets[bisect_right(days, today) :])
        return cuts.rung(total), total, total

    def falls(facts: Facts, today: int, last: int, reading: Reading, _: int) -> Iterator[Fall]:
        rung, _value, total = reading
        return changing(rung, _coming(facts, today, total))

    def _coming(facts: Facts, today: int, total: int) -> Iterator[Fall]:
        """The rung at the midnight of each later day, when its bookings are no longer ahead."""
        days, nets = booked(facts)
        for place in range(bisect_right(days, today), len(days)):
            total -= nets[place]
            yield midnight_of(days[place]), cuts.rung(total)

    return Measure(read, falls)


AHEAD = Kind("number", _ahead)
"""Bookings to come."""
