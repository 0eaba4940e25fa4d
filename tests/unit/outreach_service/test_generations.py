"""What a client did, said anew: folded beside by the rule of the contracts (ADR 48)."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from outreach_service import translate
from outreach_service.domain.generations import (
    UNKNOWN_CLIENT,
    Beside,
    Booking,
    Generations,
    Opening,
    follow,
)
from rapport_contracts import canonical, generations
from tests.support.generators.outreach_events import ADA, NOON, PRACTICE, an_activity, an_opening

CLIENT = (PRACTICE, ADA)
Event = canonical.ActivityRecorded | canonical.GenerationOpened


class Sums(NamedTuple):
    """What outreach goes by."""

    active_at: datetime | None = None
    bookings: tuple[Booking, ...] = ()


def add(sums: Sums, event: canonical.ActivityRecorded) -> Sums:
    seen, delta = translate.activity_seen(event), translate.booking_delta(event)
    instants = [each for each in (sums.active_at, seen and seen.at) if each is not None]
    booking = () if delta is None else (Booking(delta.activity_id, delta.starts_at, delta.delta),)
    return Sums(max(instants, default=None), (*sums.bookings, *booking))


@st.composite
def logs(draw: st.DrawFn) -> list[list[Event]]:
    """A client's events of generations above the first, in batches: in their order or in any, some
    of them doubled or lost."""
    events: list[Event] = []
    for generation in draw(st.sampled_from([[2], [2, 3], [3, 7]])):
        facts, live = draw(st.integers(0, 4)), draw(st.integers(0, 3))
        events.append(an_opening(generation, facts))
        for sequence in range(1, facts + live + 1):
            at = NOON + timedelta(hours=10 * generation + sequence)
            changes = {"generation": generation, "sequence": sequence, "occurred_at": at}
            changes["last_of_cause"] = sequence <= facts or draw(st.booleans())
            kind = draw(st.sampled_from(["booked", "completed", "registered", "danced"]))
            starts = {"starts_at": at} if kind == "booked" else {}
            events.append(an_activity(f"{generation}/{sequence}", kind=kind, **changes, **starts))
    kept = [event for event in events for _ in range(draw(st.sampled_from([1, 1, 1, 2, 0])))]
    order = draw(st.one_of(st.just(kept), st.permutations(kept)))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=4)))
    return [order[start:end] for start, end in pairwise([0, *cuts, len(order)])]


def told(event: Event) -> translate.Told:
    if isinstance(event, canonical.GenerationOpened):
        return translate.opened(event)
    return translate.told(event)


@given(logs())
def test_it_is_the_rule_that_the_contracts_give_to_readers(batches: list[list[Event]]) -> None:
    known, sums = UNKNOWN_CLIENT, Sums()
    reference = generations.new_client(Sums())
    for batch in batches:
        followed = follow({CLIENT: known}, [told(event) for event in batch])
        for event in batch:
            reference = generations.fold(reference, event, add, Sums())
        known = followed.clients[CLIENT]
        for each in followed.current:
            if not isinstance(each.what, Opening):
                booked = [] if each.what.booking is None else [each.what.booking]
                fresh = [one for one in booked if one not in sums.bookings]
                instants = [at for at in (sums.active_at, each.what.active_at) if at is not None]
                sums = Sums(max(instants, default=None), (*sums.bookings, *fresh))
        if known.taken_over is not None:  # it replaces what went on before it was complete
            sums = Sums(known.taken_over.active_at, (*known.taken_over.bookings,))
        known = Generations(known.current, known.beside)
        assert known.current == reference.current.number
        assert sums.active_at == reference.current.sums.active_at
        assert {*sums.bookings} == {*reference.current.sums.bookings}
        assert _beside(known.beside) == _reference_beside(reference.beside)


def _beside(beside: Beside | None) -> object:
    return beside and (beside.generation, beside.facts, beside.came, {*beside.bookings})


def _reference_beside(beside: generations.Generation[Sums] | None) -> object:
    return beside and (beside.number, beside.facts, beside.came, {*beside.sums.bookings})


def test_each_record_of_a_generation_that_is_replaced_is_told() -> None:
    known = {CLIENT: Generations(7, Beside(9, facts=2))}
    old = [told(an_activity(generation=number)) for number in (6, 8)]
    followed = follow(known, [*old, told(an_opening(5, 1))])
    assert [each.generation for each in followed.superseded] == [6, 8, 5]
    assert followed.clients == known


def test_bookings_are_added_in_place_to_a_list_that_is_not_the_callers() -> None:
    """What is said of a client costs what is new of it, and not the square of the history."""
    about = {"generation": 9, "kind": "booked", "starts_at": NOON}
    first, *others = (told(an_activity(f"a{n}", sequence=n, **about)) for n in range(1, 5))
    known = follow({}, [first]).clients
    once = [follow(known, others[:n]).clients[CLIENT].beside for n in (1, 3)]
    assert [len(each.bookings) for each in once if each] == [2, 4]
    before = known[CLIENT].beside
    assert before is not None
    assert len(before.bookings) == 1
