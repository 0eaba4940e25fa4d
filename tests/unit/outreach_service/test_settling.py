"""Settling: what changes within a window come to, and what of it is said."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach_service.domain.settling import HeardChange, Window, settle
from outreach_service.domain.terms import Change, Direction, Origin, Reason
from tests.support.generators.outreach_values import NOON_IN_SHANGHAI, a_change

NOON = NOON_IN_SHANGHAI
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TWO_HOURS = 2 * HOUR
ORDER = ("prospect", "iron", "bronze", "silver", "gold")


def moved(before: str | None, after: str, at: datetime = NOON, **changes: Any) -> Change:
    """A live change by activity between tiers of the usual order."""
    if before is None:
        direction = Direction.ENTERED
    else:
        rises = ORDER.index(after) > ORDER.index(before)
        direction = Direction.UPGRADED if rises else Direction.DOWNGRADED
    known: dict[str, Any] = {
        "from_tier": before,
        "from_rank": None if before is None else ORDER.index(before),
        "to_tier": after,
        "to_rank": ORDER.index(after),
        "direction": direction,
        "reason": Reason.ACTIVITY,
        "effective_at": at,
        "happened_at": at,
    }
    return a_change(**known | changes)


def by_time(before: str, after: str, at: datetime = NOON, **changes: Any) -> Change:
    return moved(before, after, at, reason=Reason.ELAPSED_TIME, happened_at=None, **changes)


def settled(
    *changes: Change, heard_at: datetime | None = None, lengths: Sequence[timedelta] = (TWO_HOURS,)
) -> tuple[list[Window], list[Window]]:
    """The windows that are open after these changes of a client, and those that ended."""
    windows: dict[timedelta, Window] = {}
    ended: list[Window] = []
    for change in changes:
        after = settle(windows, HeardChange(change, 3, heard_at), lengths)
        windows = dict(after.open)
        ended += after.ended
    return list(windows.values()), ended


def answer(*changes: Change) -> tuple[str | None, str, Direction, str] | None:
    """What the changes of one window come to."""
    (window,), ended = settled(*changes)
    assert ended == []
    said = window.answer
    return said and (said.from_tier, said.to_tier, said.direction, said.reason)


def test_a_window_is_open_for_the_settling_time_from_the_first_effect_on() -> None:
    (window,), ended = settled(moved("prospect", "bronze"), moved("bronze", "gold", NOON + HOUR))
    assert (window.ends_at, ended) == (NOON + TWO_HOURS, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            [moved("prospect", "bronze"), moved("bronze", "gold")],
            ("prospect", "gold", Direction.UPGRADED, "activity"),
            id="an hour, then its payment",
        ),
        pytest.param(
            [moved("prospect", "gold"), moved("gold", "silver", reason=Reason.CORRECTION)],
            ("prospect", "silver", Direction.UPGRADED, "activity"),
            id="paid, and partly refunded",
        ),
        pytest.param(
            [moved("prospect", "bronze"), moved("bronze", "prospect", reason=Reason.CORRECTION)],
            None,
            id="taken back",
        ),
        pytest.param(
            [moved(None, "prospect"), moved("prospect", "bronze")],
            (None, "bronze", Direction.ENTERED, "activity"),
            id="new",
        ),
        pytest.param(
            [moved("bronze", "silver", reason=Reason.CORRECTION)],
            ("bronze", "silver", Direction.UPGRADED, "activity"),
            id="a rise by a correction alone",
        ),
        pytest.param([moved("gold", "silver")], None, id="a fall that somebody made"),
        pytest.param(
            [by_time("gold", "silver"), moved("silver", "bronze", reason=Reason.CORRECTION)],
            None,
            id="a fall that time did not make alone",
        ),
        pytest.param(
            [by_time("gold", "silver"), by_time("silver", "bronze", NOON + HOUR)],
            ("gold", "bronze", Direction.DOWNGRADED, "elapsed_time"),
            id="time alone",
        ),
        pytest.param([by_time("gold", "silver"), moved("silver", "gold")], None, id="kept"),
        pytest.param(
            [
                a_change(
                    from_tier=before,
                    to_tier=after,
                    direction=Direction.MOVED,
                    reason=Reason.ACTIVITY,
                    effective_at=NOON,
                )
                for before, after in (("a", "b"), ("b", "c"))
            ],
            ("a", "c", Direction.MOVED, "activity"),
            id="tiers without order",
        ),
    ],
)
def test_what_changes_come_to(
    changes: list[Change], said: tuple[str | None, str, Direction, str] | None
) -> None:
    assert answer(*changes) == said


def test_the_occasion_is_the_last_version_and_the_cause_is_the_oldest_fact() -> None:
    first = moved("prospect", "bronze", NOON, version=4, happened_at=NOON - HOUR)
    (window,), _ = settled(first, moved("bronze", "gold", NOON + HOUR, version=5))
    assert window.answer is not None
    assert (window.answer.version, window.answer.happened_at) == (5, NOON - HOUR)


def test_a_change_at_the_end_of_a_window_belongs_to_the_next_one() -> None:
    first = moved("prospect", "bronze")
    for at, ends in ((NOON + TWO_HOURS - MINUTE, 0), (NOON + TWO_HOURS, 1)):
        (window,), ended = settled(first, moved("bronze", "gold", at))
        assert len(ended) == ends
        assert window.change.from_tier == ("bronze" if ends else "prospect")


def test_what_is_heard_after_its_window_closed_opens_one_of_its_own() -> None:
    first = settle({}, HeardChange(moved("prospect", "bronze"), 3, NOON), [TWO_HOURS])
    late = HeardChange(moved("bronze", "gold", NOON + HOUR), 3, NOON + TWO_HOURS)
    after = settle(first.open, late, [TWO_HOURS])
    assert [each.change.to_tier for each in after.ended] == ["bronze"]
    assert [each.change.from_tier for each in after.open.values()] == ["bronze"]


def test_what_a_source_sends_once_a_night_settles_when_it_comes() -> None:
    """The window would be over before the payment is read that came with the hour."""
    night = NOON + 12 * HOUR
    (window,), ended = settled(
        moved("prospect", "bronze"), moved("bronze", "gold", NOON + 5 * MINUTE), heard_at=night
    )
    assert ended == []
    assert (window.ends_at, window.change.from_tier) == (night + TWO_HOURS, "prospect")


@pytest.mark.parametrize("reason", sorted(set(Reason) - {"activity", "correction", "elapsed_time"}))
def test_a_change_for_another_reason_ends_a_window_without_a_word(reason: Reason) -> None:
    assert settled(moved("prospect", "bronze"), moved("bronze", "gold", reason=reason)) == ([], [])


def test_history_ends_a_window_without_a_word() -> None:
    history = moved("bronze", "gold", origin=Origin.BACKFILL)
    assert settled(moved("prospect", "bronze"), history) == ([], [])


def test_another_scheme_begins_anew() -> None:
    other = moved("bronze", "gold", scheme="ladder")
    (window,), ended = settled(moved("prospect", "bronze"), other)
    assert (window.change.scheme, ended) == ("ladder", [])


def test_each_length_has_a_window_of_its_own_and_none_settles_at_once() -> None:
    lengths = (timedelta(), HOUR, TWO_HOURS)
    windows, ended = settled(
        moved("prospect", "bronze"),
        moved("bronze", "silver", NOON + 90 * MINUTE),
        lengths=lengths,
    )
    open_since = {each.settles_after: each.change.from_tier for each in windows}
    assert open_since == {HOUR: "bronze", TWO_HOURS: "prospect"}
    assert [(each.settles_after, each.change.to_tier) for each in ended] == [
        (timedelta(), "bronze"),
        (HOUR, "bronze"),
        (timedelta(), "silver"),
    ]


def test_a_window_outlives_its_plays() -> None:
    """A practice may change for how long its plays settle."""
    first = settle({}, HeardChange(moved("prospect", "bronze"), 3, None), [TWO_HOURS])
    after = settle(first.open, HeardChange(moved("bronze", "gold"), 3, None), [HOUR])
    assert after.open[TWO_HOURS].change.from_tier == "prospect"
    assert after.open[HOUR].change.from_tier == "bronze"


def test_of_tiers_whose_order_nobody_said_the_direction_is_that_of_each() -> None:
    """Records of a release before ranks."""
    unknown = {"from_rank": None, "to_rank": None}
    up = [moved("bronze", "silver", **unknown), moved("silver", "gold", **unknown)]
    down = moved("gold", "silver", **unknown)
    assert answer(*up) == ("bronze", "gold", Direction.UPGRADED, "activity")
    assert answer(*up, down) == ("bronze", "silver", Direction.MOVED, "activity")
