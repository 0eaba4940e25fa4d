"""The least value of a function of a few variables, by the simplex of Nelder and Mead.

It needs no derivative, goes the same way on every machine for the same input, and four variables
are few enough for it.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

Point = tuple[float, ...]
_TOLERANCE: Final = 1e-11
"""Settled when worst and best of the simplex differ by less than this part of the value. A sum of
many terms must be exact for that (`math.fsum`)."""
_VALUE = itemgetter(0)
_Scored = tuple[float, Point]


class NotSettled(ValueError):
    """The function was asked as often as is allowed, and its least value was not found."""


class Least(NamedTuple):
    """The point with the least value that was found, and the value."""

    point: Point
    value: float


def minimise(function: Callable[[Point], float], start: Point, most: int = 6_000) -> Least:
    """The least value near `start`, where the function must be finite; elsewhere it may be `inf`.

    A simplex may collapse on a slope, so it begins anew where it ended until that gains nothing.
    Raises NotSettled after `most` calls of the function.
    """
    counted = _Counted(function, most)
    before = Least(start, counted(start))
    while True:
        found = _descend(counted, before.point)
        if before.value - found.value <= _TOLERANCE * max(1.0, abs(found.value)) * 10:
            return found
        before = found


class _Counted:
    """The function, and how often it may still be asked."""

    def __init__(self, function: Callable[[Point], float], most: int) -> None:
        self._function = function
        self._left = most

    def __call__(self, point: Point) -> float:
        if not self._left:
            raise NotSettled("the least value was not found within the calls that are allowed")
        self._left -= 1
        return self._function(point)


def _descend(function: Callable[[Point], float], start: Point) -> Least:
    corners = [_scored(function, start)]
    for place in range(len(start)):
        moved = tuple(each + 0.5 * (place == number) for number, each in enumerate(start))
        corners.append(_scored(function, moved))
    corners.sort(key=_VALUE)
    while corners[-1][0] - corners[0][0] > _TOLERANCE * max(1.0, abs(corners[0][0])):
        replaced = _better_corner(function, corners)
        if replaced is None:  # nothing beyond, nothing before: all corners move to the best one
            best = corners[0][1]
            shrunk = [_between(best, corner, 0.5) for _, corner in corners[1:]]
            corners[1:] = [_scored(function, point) for point in shrunk]
        else:
            corners[-1] = replaced
        corners.sort(key=_VALUE)
    return Least(corners[0][1], corners[0][0])


def _better_corner(
    function: Callable[[Point], float], corners: Sequence[_Scored]
) -> _Scored | None:
    """What takes the place of the worst corner: a point on the line through the others' centre."""
    worst_value, worst = corners[-1]
    kept = [corner for _, corner in corners[:-1]]
    centre = tuple(sum(part) / len(kept) for part in zip(*kept, strict=True))
    reflected = _scored(function, _between(centre, worst, -1.0))
    if reflected[0] < corners[0][0]:
        return min(reflected, _scored(function, _between(centre, worst, -2.0)), key=_VALUE)
    if reflected[0] < corners[-2][0]:
        return reflected
    outside = reflected[0] < worst_value
    contracted = _scored(function, _between(centre, worst, -0.5 if outside else 0.5))
    return contracted if contracted[0] < min(reflected[0], worst_value) else None


def _between(origin: Point, other: Point, part: float) -> Point:
    """The point at a part of the way from one to the other; a negative part lies beyond."""
    return tuple(o + part * (t - o) for o, t in zip(origin, other, strict=True))


def _scored(function: Callable[[Point], float], point: Point) -> _Scored:
    return function(point), point
