"""Periods and local days: C-03 by example, and against counting on one's fingers."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.periods import (
    Period,
    UnknownZone,
    first_day_counted,
    local_day,
    midnight,
    skipped_days,
)
from tests.support.generators.tier_histories import ODD_DAYS
from tests.support.oracles import tiers as oracle

TEXTS = ("P1M", "P3M", "P6M", "P1Y", "P7D", "P2W", "P1M1D", "P1Y2M10D", "P100D", "P11M")
DAYS = st.dates(date(1995, 1, 1), date(2105, 12, 31))


@pytest.mark.parametrize(
    ("text", "day", "last"),
    [
        pytest.param("P3M", date(2025, 11, 30), date(2026, 2, 28), id="30 Nov, common year"),
        pytest.param("P3M", date(2023, 11, 30), date(2024, 2, 29), id="30 Nov, leap year"),
        pytest.param("P1Y", date(2024, 2, 29), date(2025, 2, 28), id="leap day, a year on"),
        pytest.param("P6M", date(2025, 8, 31), date(2026, 2, 28), id="31 Aug"),
        pytest.param("P7D", date(2024, 2, 26), date(2024, 3, 4), id="a week over the leap day"),
        pytest.param("P1Y1D", date(2023, 12, 31), date(2025, 1, 1), id="first months, then days"),
    ],
)
def test_a_fact_counts_through_the_clamped_day(text: str, day: date, last: date) -> None:
    period = Period.parse(text)
    assert period.after(day) == last
    assert date.fromordinal(period.expiry(day.toordinal())) == last + timedelta(days=1)


@pytest.mark.parametrize(
    "text", ["", "P", "P0D", "P1", "1M", "P1M2Y", "PT1H", "p1m", "P-1M", "P1.5M", "P101Y", "P١M"]
)
def test_what_is_no_period_of_whole_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"period|100 years"):
        Period.parse(text)


@given(DAYS, st.sampled_from(TEXTS))
def test_the_end_of_a_period_is_where_the_fingers_say(day: date, text: str) -> None:
    assert Period.parse(text).after(day) == oracle.last_day_counted(day, text)


@given(DAYS, st.sampled_from(TEXTS))
def test_the_first_day_counted_counts_and_the_one_before_does_not(day: date, text: str) -> None:
    period = Period.parse(text)
    first = first_day_counted(day, period)
    assert oracle.within(first, text, day)
    assert not oracle.within(first - timedelta(days=1), text, day)


@pytest.mark.parametrize(
    ("zone", "day", "at"),
    [
        pytest.param("Asia/Shanghai", date(2026, 3, 1), "2026-02-28T16:00Z", id="plain"),
        pytest.param("America/Sao_Paulo", date(2017, 10, 15), "2017-10-15T03:00Z", id="no 00:00"),
        pytest.param("Africa/Cairo", date(2014, 5, 16), "2014-05-15T22:00Z", id="Cairo, no 00:00"),
        pytest.param("America/Havana", date(2023, 11, 5), "2023-11-05T04:00Z", id="two 00:00"),
        pytest.param("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00Z", id="no such day"),
        pytest.param("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00Z", id="the day after"),
        pytest.param("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30Z", id="from 23:30"),
    ],
)
def test_midnight_is_the_first_instant_of_the_day(zone: str, day: date, at: str) -> None:
    assert midnight(day, zone) == datetime.fromisoformat(at)


@given(st.sampled_from(sorted(ODD_DAYS)), st.dates(date(2008, 1, 1), date(2027, 12, 31)))
def test_midnight_is_what_a_search_by_the_minute_finds(zone: str, day: date) -> None:
    found = midnight(day, zone)
    assert found == oracle.first_instant(day, zone)
    assert local_day(found - timedelta(microseconds=1), zone) < day <= local_day(found, zone)
    assert (day.toordinal() in skipped_days(zone)) == (local_day(found, zone) != day)


def test_the_date_line_took_one_day_from_apia_and_none_from_most() -> None:
    assert skipped_days("Pacific/Apia") == {date(2011, 12, 30).toordinal()}
    assert skipped_days("Pacific/Kwajalein") == {date(1993, 8, 21).toordinal()}
    assert not skipped_days("America/Sao_Paulo")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Asia"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UnknownZone, match="zone"):
        midnight(date(2026, 1, 1), name)
    with pytest.raises(UnknownZone, match="zone"):
        local_day(datetime(2026, 1, 1, tzinfo=UTC), name)
