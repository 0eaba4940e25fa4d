"""How the sums of several slices of time compare: the change between two, the variation of some."""

from collections.abc import Sequence
from math import isqrt

from scoring_service.domain.kernel.cuts import NumberCuts, ratio
from scoring_service.domain.kernel.measures.measure import Kind, Measure, any_kinds, columns_of
from scoring_service.domain.kernel.measures.sums import sums
from scoring_service.domain.kernel.source import Fields, Place
from scoring_service.domain.kernel.window import Slices, Window
from scoring_service.domain.periods import is_longer


def _change(fields: Fields, cuts: NumberCuts) -> Measure:
    windows = _windows(fields["slices"], 2, 2)
    return sums([Slices(columns_of(any_kinds(fields["of"])), windows)], cuts, change)


def _variation(fields: Fields, cuts: NumberCuts) -> Measure:
    windows = _windows(fields["slices"], 2, 12)
    return sums([Slices(columns_of(any_kinds(fields["of"])), windows)], cuts, variation)


def change(totals: Sequence[int]) -> int | None:
    """The new slice over the old one, on the scale of ratios; None if the old one is nothing or
    less."""
    new, old = totals
    return ratio(new, old) if old > 0 else None


def variation(totals: Sequence[int]) -> int | None:
    """The population deviation over the mean, on the scale of ratios; None if the sum is nothing or
    less.

    With n slices x of the sum S it is sqrt(n * sum(x squared) - S squared) / S, so integers do.
    """
    whole = sum(totals)
    if whole <= 0:
        return None
    squared = whole * whole
    scaled = 10_000 * (len(totals) * sum(each * each for each in totals) - squared)
    hundreds = isqrt(scaled // squared)
    return 2 * hundreds + (hundreds * hundreds * squared != scaled)


def _windows(place: Place, least: int, most: int) -> list[Window]:
    items = place.items()
    if not least <= len(items) <= most:
        number = f"{least}" if least == most else f"{least} to {most}"
        raise place.refused(f"must name {number} nested periods, the shortest first")
    periods = [each.period() for each in items]
    for each, shorter, longer in zip(items[1:], periods, periods[1:], strict=False):
        if not is_longer(longer, shorter):
            raise each.refused("must be longer than the one before it on every day of the calendar")
    return [Window(period) for period in periods]


CHANGE = Kind("ratio", _change, required=("of", "slices"), may_be_unknown=True)
"""What lies within the first period over what lies between it and the second (C-26)."""
VARIATION = Kind("ratio", _variation, required=("of", "slices"), may_be_unknown=True)
"""How unsteady the slices are (C-26)."""
