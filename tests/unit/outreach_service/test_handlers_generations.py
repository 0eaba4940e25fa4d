"""Dispatch while a client's facts are said anew (ADR 48)."""

from outreach_service.domain.generations import Booking, Fact, Opening, Told
from outreach_service.handlers.generations import hear_facts
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    DAY,
    HOUR,
    NOON,
    PRACTICE,
    MemoryOutreach,
)


def test_a_rebuild_with_a_message_due_and_a_booking_to_come_sends_nothing(
    outreach: MemoryOutreach,
) -> None:
    """Who has booked since the generation opened has done so in that one alone."""
    outreach.reachable()
    outreach.fall()
    live = Fact(2, booking=Booking("a2", NOON + DAY, 1))
    old = Fact(1, active_at=NOON - 30 * DAY)
    for what, state in (
        (Opening(1), ("deferred", "inputs-lag")),
        (live, ("deferred", "inputs-lag")),
        (old, ("suppressed", "upcoming-booking")),
    ):
        with outreach.stores.open() as store:
            hear_facts(store, [], [], [Told((PRACTICE, ADA), 7, what)])
        assert outreach.dispatch().claimed == []
        assert outreach.state() == state
        outreach.stores.business_time += HOUR


def test_a_rebuild_that_changes_nothing_lets_a_message_go(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    told = [Told((PRACTICE, ADA), 7, what) for what in (Opening(1), Fact(1))]
    with outreach.stores.open() as store:
        hear_facts(store, [], [], told)
    assert len(outreach.dispatch().claimed) == 1
