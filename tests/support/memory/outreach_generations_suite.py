"""What each adapter of outreach's stores must do with generations of clients' facts (ADR 48)."""

from datetime import timedelta

import pytest

from outreach_service.domain.generations import Beside, Booking, Generations
from outreach_service.ports.records import ActivitySeen, BookingDelta
from tests.support.memory.harbour import ADA, DAY, HOUR, NOON, PRACTICE, Harbour, StoreAdapter
from tests.support.memory.harbour import a_message as a_due_message

CLIENT, BEN = (PRACTICE, ADA), (PRACTICE, "ben")
NEXT = 28_000_000
NEW = Beside(
    NEXT,
    facts=3,
    came=((1, 3), (5, 5)),
    is_whole=False,
    active_at=NOON - HOUR,
    bookings=[Booking("a1", NOON + 2 * DAY, 1), Booking("a7", NOON + 3 * DAY, 1)],
)


class GenerationsSuite:
    """`Inputs.generations`, `save_generations`, and what goes by them."""

    @pytest.fixture
    def harbour(self, adapter: StoreAdapter) -> Harbour:
        harbour = Harbour(adapter)
        harbour.add(a_due_message())
        with harbour.stores.open() as store:
            store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, NOON)])
            store.inputs.record_bookings([BookingDelta(PRACTICE, ADA, "a1", NOON + DAY, 1)])
        return harbour

    def find(self, harbour: Harbour) -> dict[tuple[str, str], Generations]:
        with harbour.stores.open() as store:
            return {**store.inputs.generations([CLIENT, BEN, ("lakeside", ADA)])}

    def save(self, harbour: Harbour, each: Generations) -> None:
        with harbour.stores.open() as store:
            store.inputs.save_generations({CLIENT: each})

    def test_a_client_of_the_first_alone_is_left_out(self, harbour: Harbour) -> None:
        assert self.find(harbour) == {}

    def test_what_is_beside_is_found_as_it_was_saved(self, harbour: Harbour) -> None:
        for beside in (Beside(NEXT - 1), NEW):
            self.save(harbour, Generations(1, beside))
            assert self.find(harbour) == {CLIENT: Generations(1, beside)}

    def test_while_it_is_beside_the_old_facts_are_seen_and_the_inputs_are_not_read(
        self, harbour: Harbour
    ) -> None:
        self.save(harbour, Generations(1, NEW))
        seen = harbour.situation()
        assert (seen.activity_at, seen.booking_at) == (NOON, NOON + DAY)
        assert seen.inputs_up_to is None

    def test_what_takes_over_replaces_bookings_and_activity(self, harbour: Harbour) -> None:
        self.save(harbour, Generations(1, NEW))
        self.save(harbour, Generations(NEXT, None, NEW))
        seen = harbour.situation()
        assert (seen.activity_at, seen.booking_at) == (NOON - HOUR, NOON + 2 * DAY)
        assert seen.inputs_up_to == NOON
        assert self.find(harbour) == {CLIENT: Generations(NEXT)}

    def test_one_of_nothing_leaves_nothing(self, harbour: Harbour) -> None:
        self.save(harbour, Generations(NEXT, None, Beside(NEXT, facts=0)))
        seen = harbour.situation()
        assert (seen.activity_at, seen.booking_at) == (None, None)

    def test_the_next_may_be_beside_one_that_has_just_taken_over(self, harbour: Harbour) -> None:
        later = Beside(NEXT + 1, facts=1)
        self.save(harbour, Generations(NEXT, later, NEW))
        assert self.find(harbour) == {CLIENT: Generations(NEXT, later)}
        assert harbour.situation().booking_at == NOON + 2 * DAY

    def test_a_client_of_whom_nothing_was_known_may_begin_with_it(self, harbour: Harbour) -> None:
        with harbour.stores.open() as store:
            store.inputs.save_generations({BEN: Generations(NEXT, None, NEW)})
            assert store.inputs.generations([BEN]) == {BEN: Generations(NEXT)}
            assert store.clients.is_known(*BEN)

    @pytest.mark.parametrize("generation", [1, NEXT - 1, NEXT + 1])
    def test_facts_of_another_generation_change_nothing(
        self, harbour: Harbour, generation: int
    ) -> None:
        self.save(harbour, Generations(NEXT, None, NEW))
        before = harbour.situation()
        soon = NOON + timedelta(minutes=1)
        with harbour.stores.open() as store:
            store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, soon, generation)])
            store.inputs.record_bookings([BookingDelta(PRACTICE, ADA, "a9", soon, 1, generation)])
        assert harbour.situation() == before

    def test_facts_of_its_own_go_on(self, harbour: Harbour) -> None:
        self.save(harbour, Generations(NEXT, None, NEW))
        soon = NOON + timedelta(minutes=1)
        facts = [ActivitySeen(PRACTICE, ADA, each, NEXT) for each in (soon, NOON)]
        first = BookingDelta(PRACTICE, "ben", "a9", soon, 1)
        with harbour.stores.open() as store:
            store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, NOON + DAY), *facts])
            store.inputs.record_bookings([BookingDelta(PRACTICE, ADA, "a9", soon, 1, NEXT), first])
        seen = harbour.situation()
        assert (seen.activity_at, seen.booking_at) == (soon, soon)
