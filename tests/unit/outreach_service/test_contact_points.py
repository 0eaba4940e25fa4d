"""Which contact point was a client's at which time, in whatever order it was told."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from outreach_service.domain.contact_points import (
    BEGINNING,
    Point,
    point_at,
    point_of,
    points_between,
    tell,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def test_points_with_times_are_in_force_in_their_order_however_they_come() -> None:
    told = [("a", NOON), ("b", NOON + HOUR), ("a", NOON + 2 * HOUR)]
    for order in permutations(told):
        points: list[Point] = []
        for index, valid_from in order:
            assert tell(points, index, valid_from, NOON + 9 * HOUR) is not None
        looks = [NOON - HOUR, NOON, NOON + HOUR - MICROSECOND, NOON + HOUR, NOON + 3 * HOUR]
        assert [point_at(points, at) for at in looks] == [None, "a", "a", "b", "a"]


def test_the_first_point_without_a_time_was_theirs_since_ever() -> None:
    points: list[Point] = []
    tell(points, "a", None, NOON)
    tell(points, "b", None, NOON + HOUR)
    assert [point_at(points, at) for at in (BEGINNING, NOON, NOON + HOUR)] == ["a", "a", "b"]
    tell(points, "c", NOON - HOUR, NOON + 2 * HOUR)
    assert [point_at(points, NOON - each * HOUR) for each in (2, 1, 0)] == [None, "c", "a"]


def test_what_is_told_again_is_not_told_anew() -> None:
    points: list[Point] = []
    tell(points, "a", NOON, NOON + HOUR)
    assert tell(points, "a", NOON, NOON + 2 * HOUR) is None
    assert tell(points, "a", None, NOON + 2 * HOUR) is None
    tell(points, "b", None, NOON + 3 * HOUR)
    assert tell(points, "a", NOON, NOON + 4 * HOUR) is None
    assert point_at(points, NOON + 4 * HOUR) == "b"


@pytest.mark.parametrize(
    "valid_from", [pytest.param(NOON + HOUR, id="ahead"), pytest.param(None, id="no time")]
)
def test_a_point_is_theirs_from_when_it_was_told_at_the_latest(valid_from: datetime | None) -> None:
    points: list[Point] = []
    tell(points, "a", NOON - HOUR, NOON)
    tell(points, "b", valid_from, NOON)
    assert [point_at(points, at) for at in (NOON - MICROSECOND, NOON)] == ["a", "b"]


def test_what_a_clock_ahead_tells_again_is_not_told_anew() -> None:
    """Nor does it take the place of what was told in between."""
    points: list[Point] = []
    tell(points, "a", NOON + 9 * HOUR, NOON)
    tell(points, "b", None, NOON + HOUR)
    for hours in (2, 8, 10):
        assert tell(points, "a", NOON + 9 * HOUR, NOON + hours * HOUR) is None
    assert [each.blind_index for each in points] == ["a", "b"]


def test_of_two_that_are_dated_ahead_the_later_one_holds_however_they_come() -> None:
    for order in permutations([("a", 1), ("b", 2), ("c", 3)]):
        points: list[Point] = []
        for minutes, (index, hours) in enumerate(order):
            now = NOON + minutes * timedelta(minutes=1)
            assert tell(points, index, NOON + hours * HOUR, now) is not None
        assert [each.blind_index for each in points][-1] == "c"


def test_a_consent_that_is_dated_ahead_belongs_to_the_point_of_that_clock() -> None:
    points = [
        Point(NOON, "before", is_dated=True),
        Point(NOON + HOUR, "form", is_dated=True, said_from=NOON + 8 * HOUR),
        Point(NOON + 2 * HOUR, "moved", is_dated=True),
        Point(NOON + 3 * HOUR, "told", is_dated=False),
    ]
    assert point_of(points, NOON + 8 * HOUR, NOON) == "form"
    assert point_of(points, NOON + 7 * HOUR, NOON) == "before"
    assert point_of(points, NOON + 2 * HOUR, NOON) == "moved"
    assert point_of(points, NOON + 3 * HOUR, NOON) == "before"
    assert point_of(points, NOON + 2 * HOUR, NOON + 9 * HOUR) == "moved"


def test_all_points_of_an_interval_are_found() -> None:
    points = [
        Point(NOON, "a", is_dated=True),
        Point(NOON + HOUR, None, is_dated=False),
        Point(NOON + 2 * HOUR, "b", is_dated=True),
    ]
    assert points_between(points, NOON + HOUR, NOON + 2 * HOUR) == {"b"}
    assert points_between(points, NOON, NOON + 2 * HOUR - MICROSECOND) == {"a"}
    assert points_between(points, NOON - HOUR, NOON - HOUR) == set()


def test_another_address_with_the_same_time_counts_from_now() -> None:
    """A caller who gives each address the day on which the client was registered."""
    points: list[Point] = []
    tell(points, "a", NOON, NOON)
    tell(points, "b", NOON, NOON + HOUR)
    assert [point_at(points, at) for at in (NOON, NOON + HOUR)] == ["a", "b"]


def test_of_two_without_a_time_that_are_told_at_once_the_second_holds() -> None:
    points: list[Point] = []
    for index in ("a", "b"):
        tell(points, index, None, NOON)
    assert point_at(points, NOON + MICROSECOND) == "b"


def test_a_point_that_is_gone_leaves_none() -> None:
    points: list[Point] = []
    tell(points, "a", None, NOON)
    tell(points, None, None, NOON + HOUR)
    assert [point_at(points, at) for at in (NOON, NOON + HOUR)] == ["a", None]


def test_before_there_is_a_time_points_count_from_the_beginning() -> None:
    points: list[Point] = []
    tell(points, "a", None, None)
    tell(points, "b", NOON, None)
    assert [point_at(points, at) for at in (BEGINNING, NOON)] == ["a", "b"]
