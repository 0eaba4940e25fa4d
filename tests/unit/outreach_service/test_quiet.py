"""Opening hours in local time, over every change of clocks, in one zone and in several."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain.quiet import DEFAULT_HOURS, Hours, next_opening
from outreach_service.domain.terms import Purpose

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(), timedelta(days=1460)).map(lambda age: FIRST + age)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")


@given(INSTANTS, st.sampled_from(ZONES))
def test_an_opening_is_open_and_none_is_missed(at: datetime, zone: str) -> None:
    """Against an oracle that walks the quarter hours of two days and more, changes included."""
    hours = DEFAULT_HOURS[Purpose.CARE]
    opening = next_opening(at, hours, (zone,))
    assert opening is not None

    place = ZoneInfo(zone)

    def is_open(instant: datetime) -> bool:
        return hours.opens <= instant.astimezone(place).time() < hours.closes

    assert is_open(opening)
    assert opening == at or not is_open(at)
    step = at
    while step < opening:
        assert not is_open(step)
        step += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("at", "zone", "opening"),
    [
        pytest.param(
            "2026-03-28T20:30:00+01:00",
            "Europe/Berlin",
            "2026-03-29T09:00:00+02:00",
            id="the night that loses an hour",
        ),
        pytest.param(
            "2026-10-24T20:30:00+02:00",
            "Europe/Berlin",
            "2026-10-25T09:00:00+01:00",
            id="the night that gains one",
        ),
        pytest.param(
            "2026-03-03T20:29:59+08:00",
            "Asia/Shanghai",
            "2026-03-03T20:29:59+08:00",
            id="the last second of the day",
        ),
    ],
)
def test_mornings_after_the_clocks_change(at: str, zone: str, opening: str) -> None:
    hours = DEFAULT_HOURS[Purpose.MARKETING]
    found = next_opening(datetime.fromisoformat(at), hours, (zone,))

    assert found == datetime.fromisoformat(opening)


@given(INSTANTS, st.permutations(ZONES[:2]))
def test_two_zones_are_both_open(at: datetime, zones: list[str]) -> None:
    hours = DEFAULT_HOURS[Purpose.CARE]
    opening = next_opening(at, hours, zones)
    assert opening is not None

    for zone in zones:
        assert next_opening(opening, hours, (zone,)) == opening


def test_zones_whose_days_do_not_meet_never_open() -> None:
    short = Hours(time(9), time(12))

    assert next_opening(FIRST, short, ("Asia/Shanghai", "America/New_York")) is None


@pytest.mark.parametrize("hours", [(7, 20), (9, 23), (12, 9), (9, 9)])
def test_no_practice_may_open_at_night(hours: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="within 08:00-22:00"):
        Hours(time(hours[0]), time(hours[1]))
