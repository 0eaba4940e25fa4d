"""What each adapter of scoring must do with holds that keep tiers (ADR 53)."""

from datetime import datetime, timedelta

from scoring_service.domain.practice_days import HeldPractice, KeptTiers
from scoring_service.ports import Hold
from tests.support.memory.scoring_holds_suite import DUE, HARBOUR, HoldsSuite, a_hold
from tests.support.memory.scoring_suite import ADA, BEN, HOUR, NOON, StoreAdapter

A_MOMENT = timedelta(microseconds=1)


def silent(hold_id: str = "s1", since: datetime = NOON, reached: datetime | None = None) -> Hold:
    said = a_hold(hold_id, since)
    return said._replace(reason="silent", source="till", reached=reached)


class KeptTiersSuite(HoldsSuite):
    """Beside the suite of holds that let a practice stand."""

    def test_a_practice_keeps_tiers_and_does_not_stand(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, silent(), silent(since=NOON + HOUR))
        assert self.find(adapter) == {HARBOUR: HeldPractice(None, kept_since=NOON)}
        self.begin(adapter, a_hold(since=NOON + HOUR))
        assert self.find(adapter)[HARBOUR] == HeldPractice(NOON + HOUR, kept_since=NOON)

    def test_a_midnight_that_has_passed_is_not_held(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, silent(reached=NOON))
        assert self.find(adapter)[HARBOUR].kept_since == NOON + A_MOMENT

    def test_its_end_is_known_until_all_have_followed(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, silent())
        self.end(adapter, silent(since=DUE))
        was_kept = HeldPractice(None, was_kept=KeptTiers(NOON, DUE))
        assert self.find(adapter)[HARBOUR] == was_kept
        self.sweep(adapter, DUE - HOUR)
        assert self.find(adapter)[HARBOUR] == was_kept
        self.sweep(adapter, DUE + HOUR)
        assert self.find(adapter) == {}

    def test_the_last_of_several_stands_for_all(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, silent(), silent("s2", NOON + HOUR), a_hold(since=NOON + 2 * HOUR))
        self.end(adapter, silent(since=DUE))
        assert self.find(adapter)[HARBOUR].kept_since == NOON
        self.save(adapter, DUE)
        assert self.due(adapter, DUE) == []
        self.end(adapter, silent("s2", DUE + HOUR))
        assert self.find(adapter)[HARBOUR].was_kept == KeptTiers(NOON, DUE + HOUR)

    def test_who_keeps_a_tier_comes_back_when_all_sources_speak(
        self, adapter: StoreAdapter
    ) -> None:
        """Also where records of the practice have waited meanwhile, and are read."""
        self.begin(adapter, silent(), a_hold())
        self.save(adapter, DUE, [ADA])
        self.save(adapter, NOON, [BEN])
        self.begin(adapter, a_hold(since=DUE))
        assert self.due(adapter, DUE) == ["ben"]
        self.end(adapter, a_hold())
        assert self.due(adapter, DUE) == ["ben"]
        self.end(adapter, silent())
        assert self.due(adapter, DUE) == ["ada", "ben"]

    def test_an_answer_says_why_and_goes_on(self, adapter: StoreAdapter) -> None:
        self.save(adapter, DUE, [ADA])
        self.save(adapter, NOON, [BEN])
        self.begin(adapter, silent(), a_hold("a", NOON + HOUR))
        self.end(adapter, a_hold("a"))
        adapter.pass_watermark(0, NOON + 3 * HOUR)
        self.sweep(adapter, NOON + 3 * HOUR)
        assert self.as_of(adapter) == NOON + 3 * HOUR
        ada, ben = sorted(adapter.tiers.of_clients("harbour", ["ada", "ben"]))
        assert (ada.is_kept, ben.is_kept) == (True, False)
        held = (ada.held_reasons, ada.held_sources, ada.held_since)
        assert held == (["silent"], ["till"], [NOON])
