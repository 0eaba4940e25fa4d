"""The use cases on stores in memory: facts arrive."""

from datetime import UTC, datetime

import pytest

from rapport_contracts import topics
from scoring_service.domain.facts import Skipped
from scoring_service.handlers import PartitionFacts, fold_facts
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores
from tests.support.memory.scoring_steps import (
    A_YEAR,
    ADA,
    BEN,
    DAY,
    NOON,
    ZONE,
    arrive,
    changes,
    pass_time,
    recorded,
    visit,
)


class TestFoldingFacts:
    """`fold_facts`."""

    def test_a_first_visit_makes_a_client_and_publishes_the_tier(
        self, stores: MemoryStores
    ) -> None:
        assert arrive(stores, visit()) == ([], [], [], [])
        assert recorded(stores) == [("ada", 1, None, "bronze", "activity")]
        state = stores.rows.clients[ADA]
        (change,) = changes(stores)
        assert (state.partition, state.zone, state.assessed_on) == (0, ZONE, DAY)
        assert (change.effective_at, change.happened_at, change.activity_id) == (
            NOON,
            NOON,
            "act-1",
        )
        assert change.next_transition is not None
        assert change.next_transition.at == state.review_at

    def test_a_fact_that_comes_twice_counts_once(self, stores: MemoryStores) -> None:
        arrive(stores, visit(), visit())
        arrive(stores, visit())
        assert stores.rows.clients[ADA].digest.completed == [1]
        assert len(stores.rows.outbox) == 1

    def test_each_fact_of_a_batch_is_assessed_in_its_turn(self, stores: MemoryStores) -> None:
        paid = visit(2, kind="settled", amount_minor=30_000)
        arrive(stores, visit(), paid)
        assert recorded(stores) == [
            ("ada", 1, None, "bronze", "activity"),
            ("ada", 2, "bronze", "gold", "activity"),
        ]

    def test_time_passes_for_a_client_before_a_later_fact_is_folded(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit())
        later = NOON + 2 * A_YEAR
        arrive(stores, visit(2, later), now=later)
        assert recorded(stores)[1:] == [
            ("ada", 2, "bronze", "iron", "elapsed_time"),
            ("ada", 3, "iron", "bronze", "activity"),
        ]

    def test_each_partition_has_its_own_business_time(self, stores: MemoryStores) -> None:
        later = NOON + A_YEAR
        facts = [
            PartitionFacts(0, NOON, {ADA: [visit()]}),
            PartitionFacts(1, later, {BEN: [visit(at=later)]}),
        ]
        with stores.open() as store:
            fold_facts(store.clients, RULEBOOK, facts)
        days = {key: state.assessed_on for key, state in stores.rows.clients.items()}
        assert days == {ADA: DAY, BEN: later.date()}
        assert [state.partition for state in stores.rows.clients.values()] == [0, 1]

    def test_a_fact_that_overtook_another_is_counted_and_the_other_is_awaited(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), visit(4))
        assert stores.rows.clients[ADA].missing == ((2, 3),)
        arrive(stores, visit(3))
        state = stores.rows.clients[ADA]
        assert (state.missing, state.last_sequence) == (((2, 2),), 4)
        assert state.digest.completed == [3]


class TestRefusingFacts:
    """What `fold_facts` gives back: a fact that no replay could fold."""

    def test_it_is_named_and_the_facts_beside_it_are_folded(self, stores: MemoryStores) -> None:
        fact = visit(2, zone="Asia/Shanghai")
        (refused,) = arrive(stores, visit(1), fact, visit(2)).refused
        assert (refused.key, refused.fact, refused.error.field) == (ADA, fact, "zone")
        state = stores.rows.clients[ADA]
        assert (state.last_sequence, state.missing, state.digest.completed) == (2, (), [2])

    def test_the_last_of_its_client_is_missing_until_it_is_replayed(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1), visit(2, zone="Asia/Shanghai"), visit(4, zone="Asia/Shanghai"))
        state = stores.rows.clients[ADA]
        assert (state.last_sequence, state.missing) == (4, ((2, 4),))
        arrive(stores, visit(2), visit(4), visit(3), visit(5))
        state = stores.rows.clients[ADA]
        assert (state.missing, state.digest.completed) == ((), [5])


class TestSkipping:
    """Records whose number alone scoring understands."""

    def test_its_number_is_folded_and_nothing_else(self, stores: MemoryStores) -> None:
        skipped = Skipped(1, 2)
        assert arrive(stores, visit(1), skipped, visit(3)).skipped == [skipped]
        state = stores.rows.clients[ADA]
        assert (state.last_sequence, state.missing, state.digest.completed) == (3, (), [2])
        assert state.first_skipped_sequence == 2

    def test_the_least_number_that_was_skipped_is_kept(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), Skipped(1, 4), Skipped(1, 2), Skipped(1, 5))
        assert stores.rows.clients[ADA].first_skipped_sequence == 2

    def test_a_number_that_was_folded_before_is_not_skipped(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1))
        arrive(stores, Skipped(1, 1))
        assert stores.rows.clients[ADA].first_skipped_sequence is None

    @pytest.mark.parametrize("now", [NOON, None], ids=["later", "before the first watermark"])
    def test_a_client_who_begins_with_it_is_assessed_by_the_first_fact(
        self, stores: MemoryStores, now: datetime | None
    ) -> None:
        arrive(stores, Skipped(1, 1), now=now)
        with stores.open() as store:
            store.await_first_assessment(0, NOON)
        pass_time(stores, NOON)
        assert stores.rows.outbox == []
        arrive(stores, visit(2))
        (change,) = changes(stores)
        assert (change.version, change.origin, change.activity_id) == (1, "live", "act-2")
        state = stores.rows.clients[ADA]
        assert (state.zone, state.last_sequence, state.first_skipped_sequence) == (ZONE, 2, 1)

    def test_what_was_skipped_is_kept_by_later_batches(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1), Skipped(1, 2))
        arrive(stores, visit(3))
        pass_time(stores, NOON + 2 * A_YEAR)
        assert stores.rows.clients[ADA].first_skipped_sequence == 2


class TestARestoredSender:
    """Numbers that the sender's database gave out again after it had been restored."""

    BEFORE, AFTER = "0a1b2c3d", "4e5f6a7b"

    def test_what_comes_again_is_not_folded_and_never_silently(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(2, incarnation=self.BEFORE))
        other = visit(2, incarnation=self.AFTER, kind="settled", amount_minor=20_000)
        (repeated,) = arrive(stores, other).repeated
        assert (repeated.key, repeated.fact) == (ADA, other)
        state = stores.rows.clients[ADA]
        assert (state.digest.completed, state.digest.settled) == ([2], [0])
        assert (state.first_repeated_sequence, state.stretches) == (2, ((1, self.BEFORE),))

    def test_what_is_new_is_folded_and_the_contradiction_stays(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(2, incarnation=self.BEFORE))
        again = [visit(number, incarnation=self.AFTER) for number in (2, 3)]
        assert len(arrive(stores, *again).repeated) == 1
        assert arrive(stores, *again[1:]).repeated == []  # a duplicate as ever
        state = stores.rows.clients[ADA]
        assert state.digest.completed == [3]
        assert state.stretches == ((1, self.BEFORE), (3, self.AFTER))
        assert state.first_repeated_sequence == 2

    def test_a_new_incarnation_that_repeats_nothing_is_no_contradiction(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE))
        folded = arrive(stores, visit(2, incarnation=self.AFTER), visit(2, incarnation=self.AFTER))
        assert folded == ([], [], [], [])
        state = stores.rows.clients[ADA]
        assert state.stretches == ((1, self.BEFORE), (2, self.AFTER))
        assert state.first_repeated_sequence is None

    def test_a_late_fact_of_the_incarnation_before_fills_its_gap(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(3, incarnation=self.AFTER))
        assert arrive(stores, visit(2, incarnation=self.BEFORE)).repeated == []
        state = stores.rows.clients[ADA]
        assert (state.missing, state.digest.completed) == ((), [3])
        assert state.stretches == ((1, self.BEFORE), (3, self.AFTER))
        assert state.first_repeated_sequence is None

    def test_what_the_one_before_sent_comes_again_as_a_duplicate(
        self, stores: MemoryStores
    ) -> None:
        sent = [visit(number, incarnation=self.BEFORE) for number in (1, 2)]
        arrive(stores, *sent, visit(3, incarnation=self.AFTER))
        assert arrive(stores, *sent).repeated == []
        state = stores.rows.clients[ADA]
        assert (state.digest.completed, state.first_repeated_sequence) == ([3], None)

    def test_a_number_of_the_one_before_that_is_given_out_again_is_told_afterwards_too(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(2, incarnation=self.BEFORE))
        arrive(stores, visit(3, incarnation=self.AFTER))
        again = [visit(2, incarnation=self.AFTER), visit(1, incarnation="00000000")]
        assert len(arrive(stores, *again).repeated) == 2
        assert stores.rows.clients[ADA].first_repeated_sequence == 1

    def test_who_filled_a_gap_is_remembered(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(5, incarnation=self.BEFORE))
        filled = [visit(number, incarnation=self.AFTER) for number in (3, 2)]
        arrive(stores, *filled)
        assert arrive(stores, *filled).repeated == []
        assert len(arrive(stores, visit(3, incarnation=self.BEFORE)).repeated) == 1
        stretches = ((1, self.BEFORE), (2, self.AFTER), (4, self.BEFORE))
        assert stores.rows.clients[ADA].stretches == stretches

    def test_a_refused_fact_that_is_given_out_again_is_no_contradiction(
        self, stores: MemoryStores
    ) -> None:
        refused = visit(2, incarnation=self.BEFORE, zone="Asia/Shanghai")
        arrive(stores, visit(1, incarnation=self.BEFORE), refused)
        again = [visit(number, incarnation=self.AFTER) for number in (2, 3)]
        assert arrive(stores, *again, *again) == ([], [], [], [])
        state = stores.rows.clients[ADA]
        assert state.stretches == ((1, self.BEFORE), (2, self.AFTER))

    @pytest.mark.parametrize(("before", "after"), [(None, "0a1b2c3d"), ("0a1b2c3d", None)])
    def test_none_is_an_incarnation_as_any_other(
        self, stores: MemoryStores, before: str | None, after: str | None
    ) -> None:
        arrive(stores, visit(1, incarnation=before))
        assert len(arrive(stores, visit(1, incarnation=after)).repeated) == 1


class TestFirstAssessment:
    """Facts from before a partition's first watermark."""

    def test_they_are_folded_and_wait(self, stores: MemoryStores) -> None:
        arrive(stores, visit(), now=None)
        state = stores.rows.clients[ADA]
        assert (state.tier, state.assessed_on, state.review_at) == (None, None, None)
        assert stores.rows.outbox == []

    def test_the_first_watermark_assesses_them_once_as_backfill(self, stores: MemoryStores) -> None:
        arrive(stores, visit(), now=None)
        with stores.open() as store:
            store.await_first_assessment(0, NOON)
        pass_time(stores, NOON)
        (change,) = changes(stores)
        assert (change.version, change.origin, change.to_tier) == (1, "backfill", "bronze")
        assert change.effective_at == datetime(2026, 3, 2, tzinfo=UTC)
        arrive(stores, visit())
        assert len(stores.rows.outbox) == 1

    def test_a_late_sweep_still_assesses_them_on_the_day_of_that_watermark(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(), now=None)
        with stores.open() as store:
            store.await_first_assessment(0, NOON)
        pass_time(stores, NOON + 2 * A_YEAR)
        assert recorded(stores) == [
            ("ada", 1, None, "bronze", "activity"),
            ("ada", 2, "bronze", "iron", "elapsed_time"),
        ]

    def test_a_fact_that_comes_before_the_sweep_finds_them_assessed(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(), now=None)
        with stores.open() as store:
            store.await_first_assessment(0, NOON)
        arrive(stores, visit(2, kind="settled", amount_minor=30_000))
        assert [(c.version, c.origin, c.to_tier) for c in changes(stores)] == [
            (1, "backfill", "bronze"),
            (2, "live", "gold"),
        ]


def test_the_event_of_a_change_goes_to_the_partition_of_its_client(stores: MemoryStores) -> None:
    arrive(stores, visit(), partition=3)
    (row,) = stores.rows.outbox
    assert (row.topic, row.partition, row.key) == (topics.TIER_CHANGES.name, 3, b"ada")
