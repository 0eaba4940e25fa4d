"""The engine: what ingestion keeps of what it published, and what the relay reads.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ACTIVITIES = "tests/unit/ingestion_service/test_activities.py"
ACCEPT = "tests/unit/ingestion_service/test_handlers_accept.py"
ONE_OBJECT = "tests/integration/ingestion_service/test_one_object.py"
SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestStores"
DRAINED = "tests/integration/rapport_runtime/test_drained.py"
OLDEST = "tests/integration/rapport_runtime/test_oldest_transaction.py"
ALERTS = "tests/unit/deploy/test_alerts.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-M2 (quoted: "200k refunds costs 0.8 s a batch, for all practices\' records")': (
            f"{ONE_OBJECT}::test_a_payment_with_very_many_refunds_costs_a_batch_as_much_as_a_new_one",
            f"{ACTIVITIES}::test_a_standing_is_as_good_as_all_facts_before_it",
            f"{ACTIVITIES}::test_a_standing_grows_with_no_number_of_facts",
        ),
        'review-M3 (quoted: "after 2M rows 262 + 527 ms each turn")': (
            f"{DRAINED}::TestRemovedRows",
            f"{DRAINED}::TestLateCommits",
            "tests/integration/test_hot_tables.py",
        ),
        'review-M3 (quoted: "alert on oldest xmin")': (
            OLDEST,
            f"{ALERTS}::test_every_alert_has_a_case_in_which_it_fires",
        ),
        'review-M4 (quoted: "A change of tz rules leaves a phantom day")': (
            f"{ACTIVITIES}::test_no_day_is_left_over_when_the_rules_of_the_zone_change",
            f"{ACTIVITIES}::test_what_was_published_is_taken_back_from_the_day_on_which_it_stands",
            f"{ACCEPT}::test_a_change_of_the_zones_rules_between_two_facts_leaves_no_day_over",
        ),
        'replay-growing (quoted: "15,000 facts: 198 ms for the first 50, 4.3 s to page through")': (
            f"{ONE_OBJECT}::test_a_page_of_activity_reads_no_more_of_a_client_with_very_many",
            f"{SUITE}::test_activities_come_in_pages_as_they_were_published",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: ledger and relay")
    yield from shown_by_one_run(bench, "engine_ledger", FINDINGS)
