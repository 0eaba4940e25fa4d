"""A client's facts are said anew: folded beside, and taking over once all are there (ADR 48)."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts import canonical, generations
from scoring_service import translate
from scoring_service.domain.client_state import MOST_GAPS, ClientState
from scoring_service.domain.facts import ClientRecord, Fact, Opening, Skipped
from scoring_service.domain.next_generation import begin, hear
from scoring_service.handlers import PartitionFacts, fold_facts
from scoring_service.ports import ClientKey
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores, MemoryTiers
from tests.support.memory.scoring_steps import (
    A_YEAR,
    ADA,
    DAY,
    NOON,
    arrive,
    changes,
    pass_time,
    recorded,
    visit,
)

HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
NEXT = 28_000_000


@pytest.fixture
def stores() -> MemoryStores:
    return MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))


def opening(facts: int, generation: int = NEXT, at: datetime = NOON) -> Opening:
    return Opening(generation, facts, "rebuild", at)


def again(sequence: int, at: datetime = NOON, **more: Any) -> Fact:
    """A visit of the next generation."""
    return visit(sequence, at, **{"generation": NEXT, **more})


def payment(sequence: int, amount_minor: int = 50_000, **more: Any) -> Fact:
    """A payment of the next generation."""
    return again(sequence, kind="settled", amount_minor=amount_minor, **more)


class TestTakingOver:
    """When the facts said anew answer, and what is told of it."""

    def test_the_old_digest_answers_until_all_are_there(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), visit(2))
        before = stores.rows.clients[ADA]
        for record in (opening(2), again(1), payment(3)):
            arrive(stores, record)
            assert stores.rows.clients[ADA] == before
            (answer,) = MemoryTiers(stores).of_clients("harbour", ["ada"])
            assert (answer.is_rebuilding, answer.tier, answer.version) == (True, "silver", 2)
        arrive(stores, payment(2))
        after = stores.rows.clients[ADA]
        assert (after.generation, after.last_sequence, after.missing) == (NEXT, 3, ())
        assert (after.digest.completed, after.digest.settled) == ([1], [100_000])
        (answer,) = MemoryTiers(stores).of_clients("harbour", ["ada"])
        assert (answer.is_rebuilding, answer.tier, answer.version) == (False, "gold", 3)

    def test_one_change_is_told_for_the_openings_reason_as_history(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1))
        arrive(stores, opening(3, at=NOON + HOUR), again(1), payment(2), payment(3))
        assert recorded(stores) == [
            ("ada", 1, None, "bronze", "activity"),
            ("ada", 2, "bronze", "gold", "rebuild"),
        ]
        *_, change = changes(stores)
        assert (change.origin, change.effective_at) == ("backfill", NOON + HOUR)
        assert (change.happened_at, change.activity_id) == (None, None)

    def test_nothing_is_told_when_the_tier_is_the_same(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1))
        arrive(stores, opening(2), again(1, NOON - A_DAY), again(2, NOON - A_DAY, count=0))
        assert len(recorded(stores)) == 1
        state = stores.rows.clients[ADA]
        assert (state.generation, state.digest.days) == (NEXT, [DAY.toordinal() - 1])

    def test_what_was_incomplete_is_complete_again(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), Skipped(1, 3))
        arrive(stores, opening(3), again(1), again(2), again(3))
        state = stores.rows.clients[ADA]
        assert (state.missing, state.first_skipped_sequence) == ((), None)

    def test_live_facts_go_on_as_ever(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(1), again(1), payment(2))
        assert recorded(stores)[1:] == [("ada", 2, "bronze", "gold", "activity")]

    def test_a_live_fact_that_comes_before_the_last_one_tells_nothing_of_its_own(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), opening(2), again(1), payment(3), payment(2))
        assert recorded(stores)[1:] == [("ada", 2, "bronze", "gold", "rebuild")]

    def test_it_waits_for_the_end_of_a_source_event(self, stores: MemoryStores) -> None:
        """Else somebody would be told of a tier between two facts of one event."""
        arrive(stores, visit(1), opening(1), payment(2, is_last_of_cause=False), again(1))
        assert stores.rows.clients[ADA].generation == 1
        arrive(stores, payment(3, -50_000))
        assert stores.rows.clients[ADA].generation == NEXT
        assert len(recorded(stores)) == 1

    def test_a_source_event_that_is_open_is_said_anew(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), visit(2, kind="settled", amount_minor=1, is_last_of_cause=False))
        assert stores.rows.clients[ADA].open_cause is not None
        arrive(stores, opening(2), again(1), payment(2))
        state = stores.rows.clients[ADA]
        assert (state.open_cause, state.digest.settled) == (None, [50_000])

    def test_time_goes_on_for_the_old_digest_meanwhile_and_for_the_new_one_after_it(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), opening(1))
        now = NOON + 2 * A_YEAR
        pass_time(stores, now)
        assert recorded(stores)[-1][3:] == ("iron", "elapsed_time")
        arrive(stores, again(1, now - A_DAY), now=now)
        assert recorded(stores)[-1][2:] == ("iron", "bronze", "rebuild")
        (*_, change) = changes(stores)
        assert change.effective_at == datetime.combine(now.date(), time(), now.tzinfo)
        pass_time(stores, now + 2 * A_YEAR)
        assert recorded(stores)[-1][2:] == ("bronze", "iron", "elapsed_time")

    def test_before_the_first_watermark_nothing_is_assessed(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(2), again(1), payment(2), now=None)
        assert recorded(stores) == []
        with stores.open() as store:
            store.await_first_assessment(0, NOON)
        pass_time(stores, NOON)
        assert recorded(stores) == [("ada", 1, None, "gold", "activity")]

    def test_a_reader_who_begins_with_it_has_the_client_by_it(self, stores: MemoryStores) -> None:
        arrive(stores, opening(1))
        (answer,) = MemoryTiers(stores).of_clients("harbour", ["ada"])
        assert (answer.tier, answer.is_rebuilding) == (None, True)
        arrive(stores, again(1))
        assert recorded(stores) == [("ada", 1, None, "bronze", "rebuild")]

    def test_of_nothing_the_client_is_a_prospect(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(0))
        assert recorded(stores)[1:] == [("ada", 2, "bronze", "prospect", "rebuild")]

    def test_an_unknown_reason_is_a_rebuild(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), Opening(NEXT, 0, "moonrise", NOON))
        assert recorded(stores)[-1][-1] == "rebuild"

    @pytest.mark.parametrize(
        ("zone", "on_day"),
        [
            pytest.param("Pacific/Kiritimati", DAY + A_DAY, id="where tomorrow has begun"),
            pytest.param("Pacific/Niue", DAY, id="where it is still yesterday"),
        ],
    )
    def test_a_new_zone_holds_from_then_on_and_no_day_comes_twice(
        self, stores: MemoryStores, zone: str, on_day: date
    ) -> None:
        arrive(stores, visit(1))
        late = {"zone": zone, "on": DAY - A_DAY}
        arrive(stores, opening(2), again(1, **late), payment(2, **late))
        state = stores.rows.clients[ADA]
        assert (state.zone, state.assessed_on) == (zone, on_day)
        assert recorded(stores)[-1][2:] == ("bronze", "gold", "rebuild")


class TestPassingOver:
    """Records of generations that are not followed."""

    def test_a_later_one_takes_the_place_of_one_that_is_not_complete(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), opening(2), again(1))
        folded = arrive(stores, opening(1, NEXT + 1), again(2))
        assert folded.superseded == [again(2)]
        arrive(stores, again(1, generation=NEXT + 1))
        assert stores.rows.clients[ADA].generation == NEXT + 1
        assert stores.rows.next == {}

    def test_what_is_said_of_an_older_one_is_superseded(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(1), again(1))
        records: list[ClientRecord] = [visit(2), Skipped(1, 3), opening(1), opening(5, 3)]
        assert arrive(stores, *records).superseded == records
        state = stores.rows.clients[ADA]
        assert (state.last_sequence, state.digest.completed) == (1, [1])
        assert (state.first_repeated_sequence, stores.rows.next) == (None, {})

    def test_a_sender_that_was_restored_to_before_it_leaves_the_client_incomplete(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), opening(1), again(1, incarnation="0a1b2c3d"))
        forgotten = visit(2, incarnation="4e5f6a7b")
        folded = arrive(stores, forgotten)
        assert [(each.key, each.fact) for each in folded.repeated] == [(ADA, forgotten)]
        assert stores.rows.clients[ADA].first_repeated_sequence == 2
        arrive(stores, opening(1, NEXT + 1), again(1, generation=NEXT + 1))
        assert stores.rows.clients[ADA].first_repeated_sequence is None

    def test_a_fact_of_another_zone_is_refused_and_missing(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(2), again(1))
        elsewhere = again(2, zone="Asia/Tokyo")
        (refused,) = arrive(stores, elsewhere).refused
        assert (refused.fact, refused.error.field) == (elsewhere, "zone")
        assert stores.rows.next[ADA].state.missing == ((2, 2),)
        arrive(stores, again(2))
        assert stores.rows.clients[ADA].generation == NEXT

    def test_what_another_incarnation_numbers_anew_is_told(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(2), again(1, incarnation="0a1b2c3d"))
        folded = arrive(stores, again(1, incarnation="4e5f6a7b"))
        assert len(folded.repeated) == 1
        arrive(stores, again(2, incarnation="4e5f6a7b"))
        assert stores.rows.clients[ADA].first_repeated_sequence == 1

    def test_a_record_of_unknown_content_counts_as_come(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), opening(2), again(1))
        assert arrive(stores, Skipped(NEXT, 2)).skipped == [Skipped(NEXT, 2)]
        state = stores.rows.clients[ADA]
        assert (state.generation, state.first_skipped_sequence) == (NEXT, 2)

    def test_a_gap_that_was_given_up_never_completes_it(self) -> None:
        beside = begin(ClientState("harbour", "ada", 0, ""), NEXT)
        last = 2 * MOST_GAPS + 4
        for sequence in range(2, last + 1, 2):
            hear(beside, again(sequence))
        for sequence in range(1, last, 2):
            hear(beside, again(sequence))
        hear(beside, opening(last))
        assert (beside.state.last_sequence, beside.state.missing) == (last, ())
        assert not beside.is_complete


Record = Fact | Opening


@st.composite
def logs(draw: st.DrawFn) -> list[list[Record]]:
    """A client's records in batches: of up to three generations, in their order or in any, some
    of them doubled or lost."""
    numbers = draw(st.sampled_from([[], [2], [2, 3], [3, 7]]))
    records: list[Record] = [_of_a_day(1, each) for each in range(1, draw(st.integers(1, 5)))]
    for number in numbers:
        facts, live = draw(st.integers(0, 4)), draw(st.integers(0, 3))
        records.append(opening(facts, number))
        for sequence in range(1, facts + live + 1):
            last = sequence <= facts or draw(st.booleans())
            records.append(_of_a_day(number, sequence, is_last_of_cause=last))
    kept = [each for each in records for _ in range(draw(st.sampled_from([1, 1, 1, 2, 0])))]
    order = draw(st.one_of(st.just(kept), st.permutations(kept)))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=4)))
    return [order[start:end] for start, end in pairwise([0, *cuts, len(order)])]


def _of_a_day(generation: int, sequence: int, **more: Any) -> Fact:
    """A visit, some days ago: as many as its sequence, and more for each generation."""
    day = NOON - (10 * generation + sequence) * A_DAY
    named = {"cause_id": f"{generation}/{sequence}", "generation": generation}
    return visit(sequence, day, **{**named, **more})


def _on_the_bus(record: Record) -> canonical.ActivityRecorded | canonical.GenerationOpened:
    envelope: dict[str, Any] = {"source": "test", "time": NOON, "practiceid": "harbour"}
    if isinstance(record, Opening):
        data = canonical.GenerationOpening(
            client_id="ada", generation=record.generation, reason="rebuild", facts=record.facts
        )
        return canonical.GenerationOpened(id="g", data=data, **envelope)
    fact = canonical.Activity(
        client_id="ada",
        generation=record.generation,
        sequence=record.sequence,
        kind=record.kind,
        on=record.on,
        zone=record.zone,
        count=1,
        occurred_at=record.occurred_at,
        accepted_at=record.accepted_at,
        last_of_cause=record.is_last_of_cause,
    )
    return canonical.ActivityRecorded(id="a", data=fact, **envelope)


def _days(state: ClientState) -> Counter[date]:
    """The visits of a client's generation, by day; those of an event that is open, too."""
    digest = Counter(
        {
            date.fromordinal(day): visits
            for day, visits in zip(state.digest.days, state.digest.completed, strict=True)
        }
    )
    waiting = state.open_cause.facts if state.open_cause else ()
    return digest + Counter(fact.on for fact in waiting)


@given(logs())
def test_it_is_the_rule_that_the_contracts_give_to_readers(batches: list[list[Record]]) -> None:
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    reference = generations.new_client(Counter[date]())
    for batch in batches:
        arrive(stores, *batch)
        for record in batch:
            reference = generations.fold(
                reference,
                _on_the_bus(record),
                lambda days, event: days + Counter([event.data.on]),
                Counter(),
            )
        state = stores.rows.clients.get(ADA)
        if state is not None:
            assert state.generation == reference.current.number
            assert _days(state) == reference.current.sums
            assert (ADA in stores.rows.next) == (reference.beside is not None)


@given(logs())
def test_batches_of_any_size_tell_the_same(batches: list[list[Record]]) -> None:
    whole = [[record for batch in batches for record in batch]]
    one, other = (list(_told(cut)) for cut in (whole, batches))
    assert one == other


def _told(batches: list[list[Record]]) -> Iterator[canonical.TierChange]:
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    for batch in batches:
        arrive(stores, *batch)
    return changes(stores)


def test_each_client_has_its_own(stores: MemoryStores) -> None:
    ben = ClientKey("harbour", "ben")
    with stores.open() as store:
        batch = {ADA: [opening(1), again(1)], ben: [visit(1), opening(2), again(1)]}
        fold_facts(store.clients, RULEBOOK, [PartitionFacts(0, NOON, batch)])
    assert stores.rows.clients[ADA].generation == NEXT
    assert stores.rows.clients[ben].generation == 1
    assert stores.rows.next.keys() == {ben}
