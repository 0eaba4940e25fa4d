"""Bookings as they are now, beside what was said before: the differences are events."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts.source import BookingCreated, BookingRescheduled, SourceEvent
from rapport_files.snapshots import (
    Booking,
    Bookings,
    Comparison,
    Differences,
    NotConfirmed,
    Snapshot,
    State,
)
from tests.unit.rapport_files.saved_files import ORIGIN, look, problems

START = datetime(2026, 3, 2, tzinfo=UTC)
RANK = ("created", "rescheduled", "no_show", "completed", "cancelled")
HEADER = "client_id,starts_at,status,id\n"


def booking(number: int, hours: int, state: State = "booked", client: str = "wren") -> Booking:
    return Booking(
        booking_id=f"b{number}",
        client=client,
        state=state,
        starts_at=START + timedelta(hours=hours),
    )


def compared(
    before: Iterable[Booking],
    now: Sequence[Booking],
    taken: int,
    days: tuple[date, date] = (date(2026, 3, 1), date(2026, 3, 31)),
    *,
    is_whole: bool = True,
) -> Comparison:
    """Two states; the second was taken `taken` hours after the start."""
    snapshot = Snapshot(
        taken_at=START + timedelta(hours=taken),
        first_on=days[0],
        last_on=days[1],
        is_whole=is_whole,
    )
    return Comparison(Bookings(before), lambda: now, snapshot, ORIGIN)


def told(comparison: Comparison) -> list[tuple[str, str, int]]:
    """Kind, booking and time of each event, in hours after the start."""
    return [
        (kind(event), event.data.booking_id, round((event.time - START) / timedelta(hours=1)))  # type: ignore[union-attr]
        for event in comparison.events(confirmed=True)
    ]


def kind(event: SourceEvent) -> str:
    return event.type.split(".")[2]


class TestDifferences:
    """One booking, before and now."""

    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        [
            (None, booking(1, 48), [("created", "b1", 24)]),
            (None, booking(1, 12), [("created", "b1", 12)]),
            (None, booking(1, 12, "completed"), [("completed", "b1", 12)]),
            (None, booking(1, 12, "no_show"), [("no_show", "b1", 12)]),
            (booking(1, 48), booking(1, 48), []),
            (booking(1, 48), booking(1, 72), [("rescheduled", "b1", 24)]),
            (booking(1, 12), booking(1, 12, "completed"), [("completed", "b1", 12)]),
            (booking(1, 48), booking(1, 48, "cancelled"), [("cancelled", "b1", 24)]),
            (booking(1, 48, "cancelled"), booking(1, 48), [("rescheduled", "b1", 24)]),
        ],
    )
    def test_is_told_at_the_time_that_is_known(
        self, before: Booking | None, now: Booking, expected: list[tuple[str, str, int]]
    ) -> None:
        assert told(compared([before] if before else [], [now], 24)) == expected

    def test_the_sources_own_times_are_taken(self) -> None:
        at = START + timedelta(hours=5)
        new = Booking(
            booking_id="b1", client="wren", state="completed", starts_at=at, booked_at=START
        )
        assert told(compared([], [new], 24)) == [("created", "b1", 0), ("completed", "b1", 5)]
        gone = Booking(
            booking_id="b1", client="wren", state="cancelled", starts_at=at, changed_at=START
        )
        assert told(compared([booking(1, 5)], [gone], 24)) == [("cancelled", "b1", 0)]

    def test_a_correction_is_later_than_what_it_corrects(self) -> None:
        said_at = START + timedelta(hours=12)
        before = Booking(
            booking_id="b1", client="wren", state="completed", starts_at=said_at, said_at=said_at
        )
        (event,) = compared([before], [booking(1, 12, "no_show")], 24).events()
        assert timedelta() < event.time - said_at < timedelta(seconds=1)

    def test_a_booking_of_another_client_is_refused(self) -> None:
        comparison = compared([booking(1, 48)], [booking(1, 72, client="heron")], 24)
        assert told(comparison) == []
        assert "names another client" in "".join(comparison.look().refusals.by())


class TestAbsence:
    """Bookings that the newer state does not have."""

    def test_only_hours_to_come_within_the_range_are_cancelled(self) -> None:
        before = [
            booking(1, 12),  # past
            booking(2, 48),  # to come, within the range
            booking(3, 24 * 40),  # beyond the range
            booking(4, 48, "completed"),
            booking(5, 48, "cancelled"),
        ]
        assert told(compared(before, [], 24)) == [("cancelled", "b2", 24)]

    def test_the_range_is_of_the_practices_days(self) -> None:
        # 15:30 UTC of 2 March is 23:30 there; half an hour later it is the 3rd.
        before = [booking(1, 15), booking(2, 16)]
        only = (date(2026, 3, 2), date(2026, 3, 2))
        assert told(compared(before, [], 1, only)) == [("cancelled", "b1", 1)]

    def test_nothing_follows_from_it_where_lines_were_refused(self) -> None:
        assert told(compared([booking(1, 48)], [], 24, is_whole=False)) == []

    @pytest.mark.parametrize(("vanished", "needs_yes"), [(0, False), (10, False), (11, True)])
    def test_more_than_a_tenth_needs_a_persons_yes(self, vanished: int, needs_yes: bool) -> None:  # noqa: FBT001
        before = [booking(number, 48 + number) for number in range(100)]
        comparison = compared(before, before[vanished:], 24)
        found: Differences = comparison.look()
        assert (found.vanishing, found.planned, found.needs_yes) == (vanished, 100, needs_yes)
        if needs_yes:
            with pytest.raises(NotConfirmed):
                next(comparison.events())
        assert len(told(comparison)) == vanished


class Fold(NamedTuple):
    """A booking by the rule of intake: the last fact decides, but a creation undoes no outcome."""

    state: State
    starts_at: datetime
    said_at: datetime


def fold(events: Iterable[SourceEvent]) -> dict[str, Fold]:
    by_booking: dict[str, list[SourceEvent]] = {}
    for event in {event.id: event for event in events}.values():
        by_booking.setdefault(event.data.booking_id, []).append(event)  # type: ignore[union-attr]
    return {name: _fold(each) for name, each in by_booking.items()}


def _fold(events: list[SourceEvent]) -> Fold:
    events = sorted(events, key=lambda event: (event.time, RANK.index(kind(event))))
    last = events[-1]
    others = [event for event in events if kind(event) != "created"]
    if others and kind(others[-1]) in ("completed", "no_show"):
        last = others[-1]
    timed = [e for e in events if isinstance(e, BookingCreated | BookingRescheduled)]
    starts_at = timed[-1].data.starts_at if timed else last.time
    states: dict[str, State] = {
        "completed": "completed",
        "no_show": "no_show",
        "cancelled": "cancelled",
    }
    return Fold(states.get(kind(last), "booked"), starts_at, events[-1].time)


states = st.sampled_from(["booked", "completed", "no_show", "cancelled"])
bookings = st.builds(booking, st.integers(1, 4), st.integers(0, 96), states)
tables = st.lists(bookings, max_size=4, unique_by=lambda each: each.booking_id)


@given(st.lists(st.tuples(st.integers(1, 24), tables), min_size=1, max_size=5))
def test_after_any_series_of_states_intake_knows_the_last(
    series: list[tuple[int, list[Booking]]],
) -> None:
    said: list[SourceEvent] = []
    taken = 0
    for hours, table in series:
        taken += hours
        known = fold(said)
        before = [
            Booking(
                booking_id=name,
                client="wren",
                state=each.state,
                starts_at=each.starts_at,
                said_at=each.said_at,
            )
            for name, each in known.items()
        ]
        comparison = compared(before, table, taken)
        events = list(comparison.events(confirmed=True))
        assert [event.id for event in events] == [
            event.id for event in comparison.events(confirmed=True)
        ]
        said += events
        after = fold(said)
        for each in table:
            assert after[each.booking_id].state == each.state
            if each.state == "booked":
                assert after[each.booking_id].starts_at == each.starts_at
        absent = known.keys() - {each.booking_id for each in table}
        for name in absent:
            is_to_come = known[name].starts_at >= START + timedelta(hours=taken)
            vanishes = known[name].state == "booked" and is_to_come
            assert after[name].state == ("cancelled" if vanishes else known[name].state)


class TestFiles:
    """A file of bookings as they are."""

    def test_is_read_as_states(self, tmp_path: Path) -> None:
        text = "客户编号,预约时间,状态,预约编号,创建时间\nwren,2026/3/2 18:00,已确认,b1,2026/3/1\n"
        understood = look(tmp_path, text)
        assert understood.preview.told_as == "snapshot"
        assert understood.preview.kinds == {"booked": 1}
        (found,) = understood.bookings()
        assert (found.booking_id, found.client, found.state) == ("b1", "wren", "booked")
        assert found.starts_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
        assert found.booked_at == datetime(2026, 3, 1, 2, tzinfo=UTC)

    def test_the_same_booking_told_twice_in_other_words_is_refused(self, tmp_path: Path) -> None:
        row = "wren,2026-03-02,booked,b1\n"
        assert len(list(look(tmp_path, HEADER + row + row).bookings())) == 1
        found = problems(tmp_path, HEADER + row + "wren,2026-03-03,booked,b1\n")
        assert [(each.line, each.column) for each in found] == [(2, "id"), (3, "id")]

    @pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59-14:00"])
    def test_an_hour_out_of_range_is_refused(self, tmp_path: Path, text: str) -> None:
        (problem,) = problems(tmp_path, HEADER + f"wren,{text},booked,b1\n")
        assert (problem.line, problem.column) == (2, "starts_at")

    def test_a_payment_is_no_state_of_a_booking(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path, HEADER + "wren,2026-03-02,paid,b1\n")
        assert (problem.line, problem.column) == (2, "status")

    @pytest.mark.parametrize(("answer", "states"), [("here", ["booked"]), ("away", [])])
    def test_a_moved_booking_is_where_the_answer_says(
        self, tmp_path: Path, answer: str, states: list[str]
    ) -> None:
        understood = look(tmp_path, HEADER + "wren,2026-03-02,moved,b1\n", moved=answer)
        assert [each.state for each in understood.bookings()] == states
