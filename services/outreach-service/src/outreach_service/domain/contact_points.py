"""Where a client could be reached at which time, in whatever order it was told."""

from bisect import insort
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a point counts as told before there is any business time."""

_NEXT: Final = timedelta(microseconds=1)


class Point(NamedTuple):
    """The contact point of a client on one channel from `valid_from` on, up to the next one.

    `blind_index` finds it; None says that there was none any more. `is_dated` is False where
    nobody has said since when it is theirs: then it was told at `valid_from`.
    """

    valid_from: datetime
    blind_index: str | None
    is_dated: bool


def point_at(points: Sequence[Point], at: datetime) -> str | None:
    """The contact point at an instant; `points` are those of one channel by `valid_from`.

    Before the first one that is known there was none, but for one of which nobody has said since
    when it is theirs: that is taken as theirs since ever.
    """
    for point in reversed(points):
        if point.valid_from <= at:
            return point.blind_index
    return points[0].blind_index if points and not points[0].is_dated else None


def tell(
    points: list[Point], blind_index: str | None, valid_from: datetime | None, now: datetime | None
) -> Point | None:
    """Insert what is told now about a channel into its `points`, by time; returns the point that
    is new, None when nothing is.

    Without `valid_from` the point is theirs from now on, if it is not the last one anyway. One that
    is dated ahead counts from now. So does one that bears the time of another: a caller who gives
    each address the same time does not say that a consent goes from one to the next.
    """
    is_dated = valid_from is not None
    if valid_from is not None:
        at = valid_from if now is None else min(valid_from, now)
        taken = [point for point in points if point.valid_from == at]
        if not taken:
            return _inserted(points, Point(at, blind_index, is_dated))
        if taken[0].blind_index == blind_index:
            return None
    if not points:
        return _inserted(points, Point(now or BEGINNING, blind_index, is_dated))
    last = points[-1]
    if last.blind_index == blind_index:
        return None
    at = max(now or BEGINNING, last.valid_from + _NEXT)
    return _inserted(points, Point(at, blind_index, is_dated))


def _inserted(points: list[Point], point: Point) -> Point:
    insort(points, point, key=lambda each: each.valid_from)
    return point
