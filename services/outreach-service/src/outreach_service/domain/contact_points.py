"""Where a client could be reached at which time, in whatever order it was told."""

from bisect import insort
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final, NamedTuple

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a point counts as told before there is any business time."""

_NEXT: Final = timedelta(microseconds=1)


class Point(NamedTuple):
    """The contact point of a client on one channel from `valid_from` on, up to the next one.

    `blind_index` finds it; None says that there was none any more. `is_dated` is False where
    nobody has said since when it is theirs: then it was told at `valid_from`. `said_from` is the
    time that was said for one that is dated ahead, by a clock that is wrong or beyond a zone; it
    counts from when it was told.
    """

    valid_from: datetime
    blind_index: str | None
    is_dated: bool
    said_from: datetime | None = None


def point_at(points: Sequence[Point], at: datetime) -> str | None:
    """The contact point at an instant; `points` are those of one channel by `valid_from`.

    Before the first one that is known there was none, but for one of which nobody has said since
    when it is theirs: that is taken as theirs since ever.
    """
    for point in reversed(points):
        if point.valid_from <= at:
            return point.blind_index
    return points[0].blind_index if points and not points[0].is_dated else None


def point_of(points: Sequence[Point], stated_at: datetime, recorded_at: datetime) -> str | None:
    """The contact point that was the client's when they stated something.

    What is dated ahead of its recording belongs to the point that the same clock has dated, as on
    one form: the last one that is dated ahead, too, up to then, or has the same time. Where there
    is none, it belongs to the point when it was recorded.
    """
    by_that_clock = [
        (point.said_from or point.valid_from, point.blind_index)
        for point in points
        if point.is_dated
        and recorded_at < (point.said_from or point.valid_from) <= stated_at
        and (point.said_from is not None or point.valid_from == stated_at)
    ]
    if by_that_clock:
        return max(by_that_clock, key=itemgetter(0))[1]
    return point_at(points, min(stated_at, recorded_at))


def points_between(points: Sequence[Point], since: datetime, until: datetime) -> set[str]:
    """The contact points that were the client's at any time of an interval, its end included."""
    later = {point.blind_index for point in points if since < point.valid_from <= until}
    return {*filter(None, {point_at(points, since), *later})}


def tell(
    points: list[Point], blind_index: str | None, valid_from: datetime | None, now: datetime | None
) -> Point | None:
    """Insert what is told now about a channel into its `points`, by time; returns the point that
    is new, None when nothing is.

    Without `valid_from` the point is theirs from now on, if it is not the last one anyway. One that
    is dated ahead counts from now, or from before those that are dated further ahead. So does one
    that bears the time of another: a caller who gives each address the same time does not say that
    a consent goes from one to the next.
    """
    is_dated, said_from = valid_from is not None, None
    if valid_from is not None:
        if any(
            point.blind_index == blind_index and valid_from in (point.valid_from, point.said_from)
            for point in points
        ):
            return None
        at = _counts_from(points, valid_from, now)
        said_from = None if at == valid_from else valid_from
        if at not in {point.valid_from for point in points}:
            return _inserted(points, Point(at, blind_index, is_dated, said_from))
    if points and points[-1].blind_index == blind_index:
        return None
    at = max([now or BEGINNING, *(point.valid_from + _NEXT for point in points[-1:])])
    return _inserted(points, Point(at, blind_index, is_dated, said_from))


def _counts_from(points: Sequence[Point], valid_from: datetime, now: datetime | None) -> datetime:
    """When a point counts from that bears this time: now if it is dated ahead, and before those
    that are dated further ahead by as much as it says."""
    if now is None or valid_from <= now:
        return valid_from
    further = [
        point.valid_from - (point.said_from - valid_from)
        for point in points
        if point.said_from is not None and point.said_from > valid_from
    ]
    return min([now, *further])


def _inserted(points: list[Point], point: Point) -> Point:
    insort(points, point, key=lambda each: each.valid_from)
    return point
