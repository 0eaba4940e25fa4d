"""Where the rungs of a ladder begin, on the scale of its measure."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from scoring_service.domain.periods import Period

_FAR = 1 << 200
"""Beyond every sum that a client can have."""


@dataclass(frozen=True, slots=True)
class NumberCuts:
    """Cuts of a number: `bounds` ascend, `rungs[n]` is the rung from n bounds on.

    Numbers and bounds are integers of one scale. Where a measure is a ratio v, its number is
    2 * floor(100 v), and 1 more if that is not exact: so "at least c" (2c) and "above c" (2c + 1)
    are both exact without floats. `unknown` is the rung of a measure that is not known, and no rung
    where that cannot be.
    """

    bounds: tuple[int, ...]
    rungs: tuple[int, ...]
    unknown: int

    def rung(self, value: int | None) -> int:
        """The rung of a value; None is unknown."""
        if value is None:
            return self.unknown
        return self.rungs[bisect_right(self.bounds, value)]

    def spans(self) -> tuple[tuple[int, int, int], ...]:
        """By the number of bounds reached: the rung, the least value on it, and the least that is
        beyond it."""
        edges = (-_FAR, *self.bounds, _FAR)
        return tuple(zip(self.rungs, edges, edges[1:], strict=False))


@dataclass(frozen=True, slots=True)
class PeriodCuts:
    """Cuts of the time since a day: `periods` run from the longest to the shortest, `rungs[n]` is
    the rung of a day that lies within n of them, `unknown` the rung where there is no day."""

    periods: tuple[Period, ...]
    rungs: tuple[int, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class WordCuts:
    """The rung of each word, and how long a word lasts after its day (None: for good)."""

    words: Mapping[str, tuple[int, Period | None]]
    unknown: int


def ratio(part: int, whole: int) -> int:
    """part / whole on the scale of ratios; `whole` is above zero."""
    hundreds, rest = divmod(100 * part, whole)
    return 2 * hundreds + (rest > 0)
