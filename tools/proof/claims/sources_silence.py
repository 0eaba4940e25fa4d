"""Sources: one falls silent, and nobody falls by it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

FEED = "tests/unit/test_silent_feed.py"
PAYMENTS = "tests/unit/test_silent_payments.py"
KEPT = "tests/unit/scoring_service/test_kept_tiers.py"
RULE = "tests/unit/ingestion_service/test_freshness.py"
SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestFreshness"
HOLDS = "tests/integration/scoring_service/test_store_suite.py::TestPostgresHolds"
API = "tests/integration/ingestion_service/test_freshness_api.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "silence: a silent payment feed lowers no tier, and no message is planned": (
            f"{PAYMENTS}::test_while_it_is_silent_nobody_falls_and_nobody_is_written_to",
            f"{FEED}::test_nobody_falls_by_a_silence",
            f"{KEPT}::test_nobody_falls_while_a_source_is_silent",
            f"{KEPT}::test_an_upgrade_by_an_event_does_not_wait",
        ),
        "silence: it speaks again, the silent days behind its first event; what was held, once": (
            f"{PAYMENTS}::test_of_a_till_that_speaks_one_falls_and_one_does_not",
            f"{PAYMENTS}::test_when_it_speaks_again_what_was_held_happens_once",
            f"{FEED}::test_it_speaks_again",
            f"{KEPT}::test_what_was_held_takes_effect_once_on_the_day_of_the_release",
            f"{KEPT}::test_nobody_falls_who_would_not_have_fallen",
            f"{KEPT}::test_whatever_comes_nobody_falls_meanwhile_and_all_is_well_after",
        ),
        "silence: without a hold, or without its end at a midnight, those fall who have come": (
            f"{PAYMENTS}::test_without_a_hold_both_fall_and_are_written_to",
            f"{FEED}::test_a_mutant_that_releases_at_the_first_event_lets_those_fall_who_have_come",
        ),
        "silence: a source is silent when the oracle says so": (
            f"{RULE}::test_a_source_is_silent_as_the_oracle_says",
            f"{RULE}::test_no_silence_begins_before_the_next_look",
            SUITE,
        ),
        "silence: an alarm counts it": (
            f"{API}::test_the_alarm_counts_it",
            "tests/unit/deploy/test_alerts.py::test_every_alert_has_a_case_in_which_it_fires",
        ),
        "silence: answers say who holds them; an operator ends it": (HOLDS, API),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: a silent feed")
    yield from shown_by_one_run(bench, "sources_silence", CLAIMS)
