"""The engine: what an operator changes under a running service, and who may speak on the bus.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

MIGRATIONS = "tests/integration/rapport_runtime/test_migrations.py"
SIDE_BY_SIDE = "tests/unit/tools/test_migrations.py"
COMPOSE = "tests/integration/deploy/test_compose.py"
ACCESS = "tests/unit/deploy/test_access.py"
RULEBOOKS = "tests/integration/scoring_service/test_rulebooks.py"
CHANGE = "tests/unit/scoring_service/test_rulebook_change.py"
TOPICS = "tests/integration/rapport_runtime/test_topics.py"
PRACTICE = "test_what_was_said_of_a_practice_before_does_not_replace_it"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-M16 (quoted: "no lock_timeout", "waits behind a dump with everybody behind it")': (
            f"{MIGRATIONS}::TestWaitingForALock",
        ),
        'review-M16 (quoted: "no CONCURRENTLY possible")': (
            f"{MIGRATIONS}::TestConcurrentIndexes",
        ),
        "review-M16: what a migration would do is told before": (
            f"{MIGRATIONS}::TestWhatItWouldDo",
        ),
        "review-M16: the release before runs on each revision, as far as its SQL tells": (
            SIDE_BY_SIDE,
        ),
        'review-M16 (quoted: "compose migrates at each start beside running workers")': (
            f"{COMPOSE}::test_migrations_run_when_asked_for_and_what_starts_with_them_waits",
        ),
        'review-M15 (quoted: "Any producer may name any practiceid"): who may write is a list': (
            ACCESS,
        ),
        "review-M5 (quoted: \"KeyError 'gold' when a tier key goes\")": (
            f"{RULEBOOKS}::TestTheStart",
            f"{CHANGE}::test_what_clients_would_not_fit_is_refused_by_name",
        ),
        'review-M5 (quoted: "API and worker may also run different rulebooks")': (
            f"{RULEBOOKS}::TestTheApi::test_it_answers_by_the_rulebook_that_a_worker_registered"
            "_never_by_its_own",
        ),
        'review-M5 (quoted: "the new tier with the old version/since")': (
            f"{RULEBOOKS}::TestTheApi::test_after_a_change_no_answer_has_a_new_tier_with_an_old"
            "_version",
            f"{CHANGE}::TestTheAnswer",
            f"{CHANGE}::test_time_makes_no_change_from_a_tier_to_itself",
        ),
        'review-M14 (quoted: "dead letters of event types they do not know, and then halt")': (
            "tests/unit/rapport_contracts/test_codec.py",
            "tests/unit/test_readers.py::test_a_reader_with_a_smaller_vocabulary_reads_on_and_says"
            "_what_it_lacks",
            "tests/unit/outreach_service/test_consumer.py::test_an_event_of_an_unknown_type_is"
            "_passed_over_and_counted",
            "tests/integration/ingestion_service/test_refused_records.py::test_a_quarter_of_an"
            "_unknown_type_halts_nothing_nor_does_what_comes_after",
        ),
        'review-LOW (quoted: "localtime and Factory are accepted as zones"): refused': (
            "tests/integration/ingestion_service/test_api_practices.py",
        ),
        'review-LOW (quoted: "A replayed old letter of practices.v1 overwrites")': (
            f"tests/integration/scoring_service/test_store_suite.py::TestPostgresStore::{PRACTICE}",
            f"tests/integration/outreach_service/test_store_suite.py::TestPostgresStore::{PRACTICE}",
        ),
        'review-LOW (quoted: "topics does not set min.insync.replicas")': (
            f"{TOPICS}::test_every_topic_is_made_with_the_settings_of_the_contracts",
            f"{TOPICS}::test_more_replicas_that_must_write_than_there_are_is_told",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: changes under a running service, and who may speak")
    yield from shown_by_one_run(bench, "migrations", FINDINGS)
