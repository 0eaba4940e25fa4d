"""The use cases on stores in memory: time passes, a tier is read."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from scoring_service import handlers
from scoring_service.domain.assess import assess
from scoring_service.domain.digest import Digest
from scoring_service.handlers import TierAssessor, sweep
from scoring_service.ports import ClientKey, StoredTier
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores
from tests.support.memory.scoring_steps import (
    A_YEAR,
    ADA,
    DAY,
    NOON,
    ZONE,
    arrive,
    changes,
    pass_time,
    recorded,
    visit,
)
from tests.support.memory.scoring_suite import Failure


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
        known = assess(digest, RULEBOOK, DAY, ZONE)
        tier, score = (None, None) if assessed_on is None else (known.tier, known.score)
        return StoredTier(
            "ada", ZONE, digest.to_bytes(), assessed_on, tier, score, 1, NOON, as_of, 3, 4, 5
        )

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
        tier = TierAssessor(lambda: [RULEBOOK]).tier(stored)
        assert tier.assessment == assess(Digest.from_bytes(stored.digest), RULEBOOK, day, ZONE)
        assert (tier.as_of, tier.since, tier.version) == (as_of, NOON, 1)
        assert (tier.first_missing_sequence, tier.first_skipped_sequence) == (3, 4)
        assert tier.first_repeated_sequence == 5

    def test_there_is_none_before_the_first_assessment(self) -> None:
        assert TierAssessor(lambda: [RULEBOOK]).tier(self.stored(None, NOON)).assessment is None

    def test_an_assessment_is_made_once_for_the_same_digest_day_and_zone(self) -> None:
        assessor = TierAssessor(lambda: [RULEBOOK])
        first = assessor.tier(self.stored(DAY, NOON))
        again = assessor.tier(self.stored(DAY, NOON + timedelta(hours=1)))
        assert again.assessment is first.assessment
        assert again.as_of == NOON + timedelta(hours=1)
