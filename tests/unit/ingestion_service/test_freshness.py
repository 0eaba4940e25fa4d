"""When a source is silent, against an oracle that asks each day in turn."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion_service.domain import freshness
from ingestion_service.domain.freshness import Rhythm, local_day, looked_at_next, midnight, rhythm
from tests.support.oracles.freshness import is_silent

TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)
DAILY = {TODAY - n * DAY: 1 for n in range(1, 60)}


def silent(events_by_day: Mapping[date, int], today: date) -> bool:
    known = rhythm(events_by_day, today)
    return known is not None and known.silent_from is not None and known.silent_from <= today


@st.composite
def spoken(draw: st.DrawFn) -> dict[date, int]:
    """Days with gaps of all lengths, some of them more than a year ago."""
    day, events = TODAY, {}
    for gap in draw(st.lists(st.sampled_from((1, 1, 1, 2, 3, 4, 7, 8, 30, 200)), max_size=40)):
        day -= gap * DAY
        events[day] = draw(st.sampled_from((1, 1, 2, 29, 30)))
    return events


@given(spoken(), st.integers(0, 20))
@example(DAILY, 3)
@example(DAILY, 4)
def test_a_source_is_silent_as_the_oracle_says(events: dict[date, int], later: int) -> None:
    today = TODAY + later * DAY
    assert silent(events, today) is is_silent(events, today)


@given(spoken())
def test_no_silence_begins_before_the_next_look(events: dict[date, int]) -> None:
    """Whatever comes in between: a look at each source on its days misses nothing."""
    if silent(events, TODAY):
        return
    next_look = looked_at_next(rhythm(events, TODAY), TODAY)
    assert next_look > TODAY
    for more in ({}, {TODAY: 30}, {TODAY + DAY: 40}):
        day = TODAY
        while day < next_look:
            assert not is_silent({**events, **more}, day)
            day += DAY


@pytest.mark.parametrize(
    ("gaps", "silent_after"),
    [([1] * 40, 3), ([7] * 40, 14), ([1] * 30 + [5], 10), ([1] * 28, None)],
    ids=["daily", "weekly", "once five days", "too few"],
)
def test_three_days_or_twice_the_longest_gap(gaps: list[int], silent_after: int | None) -> None:
    day, events = TODAY, {TODAY: 1}
    for gap in gaps:
        day -= gap * DAY
        events[day] = 1
    known = rhythm(events, TODAY)
    assert known is not None
    from_day = None if silent_after is None else TODAY + (silent_after + 1) * DAY
    assert known.silent_from == from_day


def test_a_source_speaks_as_usual_again_when_its_newest_event_is_young() -> None:
    known = Rhythm(100, 50, TODAY, usual_gap=2, longest_gap=9)
    assert known.is_fresh(TODAY - 2 * DAY, TODAY)
    assert not known.is_fresh(TODAY - 3 * DAY, TODAY)


def test_one_long_gap_is_not_the_usual_one() -> None:
    known = rhythm({**DAILY, TODAY - 100 * DAY: 1}, TODAY)
    assert known is not None
    assert (known.usual_gap, known.longest_gap) == (1, 41)


@given(
    st.sampled_from(["Asia/Shanghai", "Europe/London", "America/Santiago", "Africa/Cairo"]),
    st.dates(date(2020, 1, 1), date(2027, 1, 1)),
)
def test_a_day_begins_at_its_midnight(zone: str, day: date) -> None:
    begun = midnight(day, zone)
    assert local_day(begun, zone) == day
    assert local_day(begun - timedelta(hours=2), zone) == day - DAY
    assert begun.tzinfo is UTC
    assert freshness.local_day(datetime(2026, 1, 1, 17, tzinfo=UTC), "Asia/Shanghai").day == 2
