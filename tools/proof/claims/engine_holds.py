"""The engine: one practice's backlog holds its own clients' time and its own plays, nobody else's.

What is quoted was said of it when it was found; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

HOLDS = "tests/unit/scoring_service/test_holds.py"
CONSUMER = "tests/unit/scoring_service/test_consumer.py"
ON_POSTGRES = "tests/integration/scoring_service/test_holds.py"
SUITE = "tests/integration/scoring_service/test_store_suite.py"
OUTREACH = "tests/integration/outreach_service/test_store_suite.py"
DISPATCH = "tests/unit/outreach_service/test_handlers_dispatch.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-M11, tiers (quoted: "a practice\'s backlog holds all downgrades")': (
            f"{HOLDS}::test_who_is_held_falls_only_when_the_practice_is_released",
            f"{HOLDS}::test_who_is_held_is_looked_at_once",
            f"{HOLDS}::test_a_held_practice_is_told_as_of_where_it_stands",
        ),
        'review-M11, plays (quoted: "beyond 15 min defers all plays that look at inputs")': (
            f"{DISPATCH}::test_a_play_of_a_held_practice_waits_and_no_others_does",
            f"{OUTREACH}::TestPostgresStore::test_of_a_held_practice_activity_is_read_up_to_where_it_stands",
            f"{OUTREACH}::TestPostgresStore::test_holds_of_another_database_of_the_sender_end",
        ),
        "review-M11: afterwards the history is the oracle's, which knows of no waiting": (
            f"{HOLDS}::test_a_history_is_the_same_as_if_no_record_had_waited",
            f"{HOLDS}::test_months_of_waiting_change_no_history",
            f"{HOLDS}::test_a_flood_changes_no_history",
            ON_POSTGRES,
            f"{SUITE}::TestPostgresHolds",
        ),
        "review-M11: holds end with the database that told them": (
            f"{CONSUMER}::TestHandling::test_a_hold_ends_with_the_first_record_of_a_restored_sender",
            f"{CONSUMER}::TestWhereABatchEnds::test_a_record_of_a_restored_sender_begins_a_batch",
        ),
    }
)
"""Finding, with what was said of it then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """One run of those tests."""
    bench.say("the engine: practices that wait, and those that do not")
    yield from shown_by_one_run(bench, "engine_holds", FINDINGS)
