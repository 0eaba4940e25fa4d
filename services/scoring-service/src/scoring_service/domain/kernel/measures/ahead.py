"""How much is booked on later days; it alone looks past the day."""

from bisect import bisect_right
from collections.abc import Iterator

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import Fall, Kind, Reading
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
        days, nets = facts.series("booked")
        total, held = reading.state, reading.rung
        for place in range(bisect_right(days, day_of(moment)), len(days)):
            total -= nets[place]
            rung = self._cuts.rung(total)
            if rung != held:
                held = rung
                yield midnight_of(days[place]), rung


def _ahead(_: Fields, cuts: NumberCuts) -> Ahead:
    return Ahead(cuts)


AHEAD = Kind("number", _ahead)
"""Bookings to come."""
