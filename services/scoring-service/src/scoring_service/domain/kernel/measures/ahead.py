"""How much is booked on later days; it alone looks past the day."""

from bisect import bisect_right
from collections.abc import Iterator

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import Fall, Kind, Reading, changing
from scoring_service.domain.kernel.moments import day_of, midnight_of
from scoring_service.domain.kernel.source import Fields


class Ahead:
    """The net of `booked` on days after today; it falls when a day comes."""

    def __init__(self, cuts: NumberCuts) -> None:
        self._cuts = cuts

    def read(self, facts: Facts, moment: int) -> Reading:
        """See `Measure`; the state is the value."""
        days, nets = facts.series("booked")
        total = sum(nets[bisect_right(days, day_of(moment)) :])
        return Reading(self._cuts.rung(total), total, total)

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """See `Measure`."""
        return changing(reading.rung, self._coming(facts, moment, reading.state))

    def _coming(self, facts: Facts, moment: int, total: int) -> Iterator[Fall]:
        """The rung at the midnight of each later day, when its bookings are no longer ahead."""
        days, nets = facts.series("booked")
        for place in range(bisect_right(days, day_of(moment)), len(days)):
            total -= nets[place]
            yield midnight_of(days[place]), self._cuts.rung(total)


def _ahead(_: Fields, cuts: NumberCuts) -> Ahead:
    return Ahead(cuts)


AHEAD = Kind("number", _ahead)
"""Bookings to come."""
