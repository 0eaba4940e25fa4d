"""The use cases on stores in memory: facts arrive, time passes, a tier is read."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from rapport_contracts import canonical, codec, topics
from scoring_service import handlers, translate
from scoring_service.domain.assess import assess
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import Fact, Numbered, Skipped
from scoring_service.handlers import Folded, PartitionFacts, TierAssessor, fold_facts, sweep
from scoring_service.ports import ClientKey, StoredTier
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores
from tests.support.memory.scoring_suite import Failure

ZONE = "Europe/London"
DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA, BEN = ClientKey("harbour", "ada"), ClientKey("harbour", "ben")
A_YEAR = timedelta(days=365)


@pytest.fixture
def stores() -> MemoryStores:
    return MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))


def visit(sequence: int = 1, at: datetime = NOON, **more: object) -> Fact:
    """A completed booking at `at`, known at once."""
    values: dict[str, object] = {
        "activity_id": f"act-{sequence}",
        "generation": 1,
        "kind": "completed",
        "on": at.date(),
        "zone": ZONE,
        "count": 1,
        "amount_minor": 0,
        "occurred_at": at,
        "accepted_at": at,
    }
    return Fact(sequence=sequence, **values | more)  # type: ignore[arg-type]  # by name


def arrive(
    stores: MemoryStores,
    *facts: Numbered,
    client: ClientKey = ADA,
    now: datetime | None = NOON,
    partition: int = 0,
) -> Folded:
    """One batch: a client's facts, while the partition's business time is `now`."""
    with stores.open() as store:
        batch = [PartitionFacts(partition, now, {client: facts})]
        return fold_facts(store.clients, RULEBOOK, batch)


def pass_time(stores: MemoryStores, up_to: datetime, partitions: Sequence[int] = (0,)) -> int:
    """Bring partitions to an instant and sweep them; how many steps that took."""
    for partition in partitions:
        stores.rows.processed[partition] = up_to
    steps, is_done = 0, False
    while not is_done:
        with stores.open() as store:
            is_done = sweep(store, RULEBOOK, partitions).is_done
        steps += 1
    return steps


def changes(stores: MemoryStores) -> Iterator[canonical.TierChange]:
    """The events in the outbox."""
    for row in stores.rows.outbox:
        event = codec.decode(row.topic, row.key, row.value)
        assert isinstance(event, canonical.TierChanged)
        yield event.data


def recorded(stores: MemoryStores) -> list[tuple[str, int, str | None, str, str]]:
    """Client, version, tiers and reason of each change."""
    return [(c.client_id, c.version, c.from_tier, c.to_tier, c.reason) for c in changes(stores)]


class TestFoldingFacts:
    """`fold_facts`."""

    def test_a_first_visit_makes_a_client_and_publishes_the_tier(
        self, stores: MemoryStores
    ) -> None:
        assert arrive(stores, visit()) == ([], [], [])
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

    @pytest.mark.parametrize(
        ("fact", "field"),
        [
            pytest.param(visit(2, generation=2), "generation", id="another generation"),
            pytest.param(visit(2, zone="Asia/Shanghai"), "zone", id="another zone"),
            pytest.param(Skipped(2, 2), "generation", id="another generation of unknown content"),
        ],
    )
    def test_it_is_named_and_the_facts_beside_it_are_folded(
        self, stores: MemoryStores, fact: Numbered, field: str
    ) -> None:
        (refused,) = arrive(stores, visit(1), fact, visit(2)).refused
        assert (refused.key, refused.fact, refused.error.field) == (ADA, fact, field)
        state = stores.rows.clients[ADA]
        assert (state.last_sequence, state.missing, state.digest.completed) == (2, (), [2])

    def test_a_new_client_of_refused_facts_alone_is_not_stored(self, stores: MemoryStores) -> None:
        assert len(arrive(stores, visit(1, generation=2)).refused) == 1
        assert stores.rows.clients == {}
        assert stores.rows.outbox == []


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
        assert (state.first_repeated_sequence, state.incarnation) == (2, self.BEFORE)

    def test_what_is_new_is_folded_and_the_contradiction_stays(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(2, incarnation=self.BEFORE))
        again = [visit(number, incarnation=self.AFTER) for number in (2, 3)]
        assert len(arrive(stores, *again).repeated) == 1
        assert arrive(stores, *again[1:]).repeated == []  # a duplicate as ever
        state = stores.rows.clients[ADA]
        assert (state.digest.completed, state.incarnation) == ([3], self.AFTER)
        assert state.first_repeated_sequence == 2

    def test_a_new_incarnation_that_repeats_nothing_is_no_contradiction(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE))
        folded = arrive(stores, visit(2, incarnation=self.AFTER), visit(2, incarnation=self.AFTER))
        assert folded == ([], [], [])
        state = stores.rows.clients[ADA]
        assert (state.incarnation, state.first_repeated_sequence) == (self.AFTER, None)

    def test_a_late_fact_of_the_incarnation_before_fills_its_gap(
        self, stores: MemoryStores
    ) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE), visit(3, incarnation=self.AFTER))
        assert arrive(stores, visit(2, incarnation=self.BEFORE)).repeated == []
        state = stores.rows.clients[ADA]
        assert (state.missing, state.digest.completed) == ((), [3])
        assert (state.incarnation, state.first_repeated_sequence) == (self.AFTER, None)

    @pytest.mark.parametrize(("before", "after"), [(None, "0a1b2c3d"), ("0a1b2c3d", None)])
    def test_none_is_an_incarnation_as_any_other(
        self, stores: MemoryStores, before: str | None, after: str | None
    ) -> None:
        arrive(stores, visit(1, incarnation=before))
        assert len(arrive(stores, visit(1, incarnation=after)).repeated) == 1

    def test_another_generation_is_refused_all_the_same(self, stores: MemoryStores) -> None:
        arrive(stores, visit(1, incarnation=self.BEFORE))
        folded = arrive(stores, visit(1, incarnation=self.AFTER, generation=2))
        assert (len(folded.refused), len(folded.repeated)) == (1, 0)


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


class TestSweeping:
    """`sweep`."""

    def test_silence_takes_a_tier_away_at_a_midnight(self, stores: MemoryStores) -> None:
        arrive(stores, visit())
        pass_time(stores, NOON + 2 * A_YEAR)
        assert recorded(stores)[1:] == [("ada", 2, "bronze", "iron", "elapsed_time")]
        # C-03: within P1Y counts through 2 March 2027, so iron from the first instant of the 3rd.
        assert list(changes(stores))[-1].effective_at == datetime(2027, 3, 3, tzinfo=UTC)
        assert stores.rows.swept == {0: NOON + 2 * A_YEAR}
        assert stores.rows.clients[ADA].review_at is None

    def test_the_same_instant_is_swept_once(self, stores: MemoryStores) -> None:
        arrive(stores, visit())
        pass_time(stores, NOON + 2 * A_YEAR)
        with stores.open() as store:
            step = sweep(store, RULEBOOK, [0])
        assert (step.until, step.is_done) == ({}, True)
        assert len(stores.rows.outbox) == 2

    def test_a_long_sweep_marks_its_partitions_at_its_last_step(
        self, stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handlers, "SWEEP_ROWS", 2)
        for number in range(5):
            arrive(stores, visit(), client=ClientKey("harbour", f"c{number}"), partition=number % 2)
        later = NOON + 2 * A_YEAR
        stores.rows.processed.update({0: later, 1: later})
        marks = []
        for _ in range(3):
            with stores.open() as store:
                step = sweep(store, RULEBOOK, [0, 1])
            marks.append((step.is_done, dict(stores.rows.swept)))
        assert marks == [(False, {}), (False, {}), (True, {0: later, 1: later})]
        assert sorted(row[0] for row in recorded(stores)[5:]) == ["c0", "c1", "c2", "c3", "c4"]

    def test_a_partition_of_another_worker_is_left_alone(self, stores: MemoryStores) -> None:
        arrive(stores, visit())
        stores.held_by_another.add(0)
        pass_time(stores, NOON + 2 * A_YEAR)
        assert (len(stores.rows.outbox), stores.rows.swept) == (1, {})

    def test_a_failed_step_leaves_everything_as_it_was(self, stores: MemoryStores) -> None:
        arrive(stores, visit())
        stores.rows.processed[0] = NOON + 2 * A_YEAR
        with suppress(Failure), stores.open() as store:
            sweep(store, RULEBOOK, [0])
            raise Failure
        assert (len(stores.rows.outbox), stores.rows.swept) == (1, {})
        pass_time(stores, NOON + 2 * A_YEAR)
        assert len(stores.rows.outbox) == 2


class TestReadingATier:
    """`TierAssessor`."""

    def stored(self, assessed_on: date | None, as_of: datetime | None) -> StoredTier:
        digest = Digest()
        digest.add("completed", DAY, 1, 0)
        return StoredTier("ada", ZONE, digest.to_bytes(), assessed_on, 1, NOON, as_of, 3, 4, 5)

    @pytest.mark.parametrize(
        ("assessed_on", "as_of", "day"),
        [
            pytest.param(DAY, NOON, DAY, id="swept on the same day"),
            pytest.param(DAY, NOON + 40 * timedelta(days=1), date(2026, 4, 11), id="swept later"),
            pytest.param(DAY, NOON - timedelta(days=1), DAY, id="swept before"),
            pytest.param(DAY, None, DAY, id="never swept"),
        ],
    )
    def test_it_holds_on_the_day_to_which_time_has_come(
        self, assessed_on: date, as_of: datetime | None, day: date
    ) -> None:
        stored = self.stored(assessed_on, as_of)
        tier = TierAssessor(RULEBOOK).tier(stored)
        assert tier.assessment == assess(Digest.from_bytes(stored.digest), RULEBOOK, day, ZONE)
        assert (tier.as_of, tier.since, tier.version) == (as_of, NOON, 1)
        assert (tier.first_missing_sequence, tier.first_skipped_sequence) == (3, 4)
        assert tier.first_repeated_sequence == 5

    def test_there_is_none_before_the_first_assessment(self) -> None:
        assert TierAssessor(RULEBOOK).tier(self.stored(None, NOON)).assessment is None

    def test_an_assessment_is_made_once_for_the_same_digest_day_and_zone(self) -> None:
        assessor = TierAssessor(RULEBOOK)
        first = assessor.tier(self.stored(DAY, NOON))
        again = assessor.tier(self.stored(DAY, NOON + timedelta(hours=1)))
        assert again.assessment is first.assessment
        assert again.as_of == NOON + timedelta(hours=1)


def test_the_event_of_a_change_goes_to_the_partition_of_its_client(stores: MemoryStores) -> None:
    arrive(stores, visit(), partition=3)
    (row,) = stores.rows.outbox
    assert (row.topic, row.partition, row.key) == (topics.TIER_CHANGES.name, 3, b"ada")
