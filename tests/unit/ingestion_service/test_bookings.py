"""What a booking's events come to: requests, assumptions, cancellations, and chains of ids."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion_service.domain.activities import Delta
from ingestion_service.domain.facts import Details, SourceFact, SourceKind
from tests.support.harness.activities import KeptObjects
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import fact

ZONE = ZoneInfo("Asia/Shanghai")
HOUR = NOON + timedelta(days=2)
"""When an hour begins that nobody has moved."""


def said(
    kind: SourceKind, event_id: str, hours: float, of: str = "a", **details: Any
) -> SourceFact:
    """A fact about the booking `of`, so many hours after noon."""
    starts_at = details.pop("starts_at", None)
    found = fact(
        kind,
        event_id,
        external_object_id=of,
        occurred_at=NOON + timedelta(hours=hours),
        details=Details(**details),
    )
    return found if starts_at is None else found._replace(starts_at=starts_at)


def told(facts: Sequence[SourceFact]) -> list[tuple[str, Delta]]:
    """The deltas of the facts in their order, each with the object of which it is told."""
    kept = KeptObjects()
    found = []
    for each in facts:
        object_id, deltas, *_ = kept.fold(each, ZONE)
        found += [(delta.object_id or object_id, delta) for delta in deltas]
    return found


def left(facts: Sequence[SourceFact]) -> list[tuple[str, str, datetime | None]]:
    """What is left of all deltas: object, kind and hour."""
    sums: dict[tuple[str, str, datetime | None], int] = {}
    for object_id, delta in told(facts):
        key = (object_id, delta.kind, delta.starts_at)
        sums[key] = sums.get(key, 0) + delta.number
    assert set(sums.values()) <= {0, 1}
    return [key for key, number in sums.items() if number]


def in_any_order(*facts: SourceFact) -> list[tuple[str, datetime | None]]:
    """Kind and hour of what is left, in whatever order the facts come; all of the booking `a`."""
    found = {tuple(left(each)) for each in permutations(facts)}
    (only,) = found
    assert {object_id for object_id, *_ in only} <= {"booking/a"}
    return [(kind, starts_at) for _, kind, starts_at in only]


def test_a_request_counts_while_nothing_else_was_said() -> None:
    asked = said("requested", "e1", 0)
    assert in_any_order(asked) == [("requested", None)]
    assert in_any_order(asked, said("created", "e2", 1)) == [("booked", HOUR)]
    # a move that the source asks the counsellor to confirm
    assert in_any_order(said("created", "e1", 0), said("requested", "e2", 1)) == [("booked", HOUR)]
    assert in_any_order(asked, said("completed", "e2", -9)) == [("completed", None)]


def test_a_request_that_was_declined_counts_no_longer_until_it_is_made_again() -> None:
    asked, declined = said("requested", "e1", 0), said("cancelled", "e2", 1)
    assert in_any_order(asked, declined) == []
    assert in_any_order(asked, declined, said("requested", "e3", 2)) == [("requested", None)]


@pytest.mark.parametrize("hours", [47, 60])
@pytest.mark.parametrize("kind", ["no_show", "completed", "cancelled"])
def test_what_is_reported_takes_the_place_of_what_was_assumed(
    kind: SourceKind, hours: float
) -> None:
    """A no-show is dated when the client should have come: before the hour is over."""
    booked, over = said("created", "e1", 0), said("assumed", "e2", 49)
    assert in_any_order(booked, over) == [("completed", None)]
    found = in_any_order(booked, over, said(kind, "e3", hours))
    assert [each for each, _ in found] == [kind] * (kind != "cancelled")


def test_an_hour_that_begins_later_is_not_over() -> None:
    later = said("rescheduled", "e2", 1, starts_at=HOUR + timedelta(days=7))
    facts = said("created", "e1", 0), later, said("assumed", "e3", 49)
    assert in_any_order(*facts) == [("booked", later.starts_at)]
    over = said("assumed", "e4", 49 + 7 * 24)
    assert in_any_order(*facts, over) == [("completed", None)]


def test_who_cancelled_is_told_with_the_hour() -> None:
    at = NOON + timedelta(hours=1)
    gone = said("cancelled", "e2", 3, cancelled_by="client", cancelled_at=at)
    assert in_any_order(said("created", "e1", 0), gone) == [("cancelled", HOUR)]
    ((_, delta),) = told([gone])
    assert (delta.cancelled_by, delta.cancelled_at, delta.starts_at) == ("client", at, None)
    (_, delta) = told([said("cancelled", "e2", 3, cancelled_by="system")])[0]
    assert (delta.cancelled_by, delta.cancelled_at) == ("system", NOON + timedelta(hours=3))


def test_that_nobody_says_who_cancelled_is_told_as_nothing() -> None:
    assert in_any_order(said("created", "e1", 0), said("cancelled", "e2", 1)) == []


MOVED = HOUR + timedelta(days=1)
FIRST = said("created", "e1", 0)
SECOND = said("rescheduled", "e2", 1, "b", replaces="a", starts_at=MOVED)
THIRD = said("created", "e3", 2, "c", replaces="b", starts_at=MOVED + timedelta(days=1))


def test_a_chain_of_ids_is_one_booking_in_any_order() -> None:
    assert in_any_order(FIRST, SECOND) == [("booked", MOVED)]
    assert in_any_order(FIRST, SECOND, THIRD) == [("booked", THIRD.starts_at)]
    assert in_any_order(FIRST, SECOND, THIRD, said("completed", "e4", 99, "c")) == [
        ("completed", None)
    ]


def test_the_old_id_may_be_cancelled_when_the_hour_is_moved() -> None:
    for hours in (0.5, 1, 1.5):
        gone = said("cancelled", "e4", hours)
        assert in_any_order(FIRST, SECOND, gone) == [("booked", MOVED)]


def test_a_booking_is_cancelled_under_the_id_under_which_it_stands() -> None:
    assert in_any_order(FIRST, SECOND, said("cancelled", "e4", 2, "b")) == []
    moved_again = said("cancelled", "e4", 1.5, "b")
    assert in_any_order(FIRST, SECOND, THIRD, moved_again) == [("booked", THIRD.starts_at)]


def test_what_was_told_of_an_id_is_taken_back_of_that_id() -> None:
    unlinked = said("completed", "e4", 99, "b")
    assert left([FIRST, unlinked]) == [
        ("booking/a", "booked", HOUR),
        ("booking/b", "completed", None),
    ]
    assert left([FIRST, unlinked, SECOND]) == [("booking/a", "completed", None)]


def test_ids_that_replace_each_other_are_one_booking() -> None:
    circle = said("created", "e4", 3, replaces="b", starts_at=HOUR)
    for facts in permutations((FIRST, SECOND, circle)):
        assert [each[1:] for each in left(facts)] == [("booked", HOUR)]


def test_two_ids_that_replace_one_are_one_booking() -> None:
    other = said("created", "e4", 3, "c", replaces="a", starts_at=HOUR)
    assert in_any_order(FIRST, SECOND, other) == [("booked", HOUR)]
