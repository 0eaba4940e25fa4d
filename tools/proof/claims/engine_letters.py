"""The engine: no number of bad records of one practice halts, and a letter says whose it is.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

CONSUMER = "tests/integration/ingestion_service/test_refused_records.py"
LETTERS = "tests/integration/rapport_runtime/test_dead_letters.py::TestLimit"
LIMITS = "tests/unit/rapport_runtime/test_limits.py"
NAMES = "tests/unit/rapport_contracts/test_names.py"
API = "tests/integration/rapport_runtime/test_dead_letter_api.py::TestWhoSeesWhat"
COMMANDS = "tests/integration/rapport_runtime/test_replay_policies.py::TestTheCommands"
WORKER = "tests/integration/rapport_runtime/test_worker.py::TestInProcess"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-C1 (quoted: "404 for 40 s; the worker restarted 21 times")': (
            f"{LETTERS}::test_one_practice_alone_halts_nothing",
            f"{CONSUMER}::test_an_hour_of_1900_is_refused_by_field_and_other_practices_go_on",
        ),
        'review-H1 (quoted: "60 invalid records without a valid one", all halted)': (
            f"{CONSUMER}::test_sixty_bad_events_of_one_practice_wait_and_halt_nothing",
            f"{CONSUMER}::test_sixty_payments_in_another_currency_or_that_conflict_halt_nothing",
            f"{CONSUMER}::test_two_hundred_values_of_one_source_that_are_no_events_halt_nothing",
            f"{CONSUMER}::test_what_is_refused_of_several_practices_halts_nothing",
            f"{LIMITS}::TestSenders",
            f"{LIMITS}::TestTally",
        ),
        "review-H1: one practice's flood is told, by reason, from a few of many": (
            f"{WORKER}::test_it_tells_the_flood_of_one_practice_from_a_few_of_many",
            "tests/unit/deploy/test_alerts.py::test_every_alert_has_a_case_in_which_it_fires",
        ),
        "review-H1: what several practices send and cannot be decoded still halts": (
            f"{CONSUMER}::test_what_several_practices_send_and_cannot_be_decoded_halts_it",
            f"{LETTERS}::test_too_many_in_a_row_halt_it_without_a_commit",
            f"{LIMITS}::TestInARow",
        ),
        'review-M12 (quoted: "the practice never sees why its events vanish")': (
            NAMES,
            f"{API}::test_a_record_that_names_a_practice_is_seen_by_it_and_by_operators",
            "tests/integration/ingestion_service/test_consumers.py::test_records_become_activities_dead_letters_and_then_watermarks",
        ),
        'case-15b (quoted: "exit 3, every practice stands")': (
            f"{CONSUMER}::test_a_quarter_of_an_unknown_type_halts_nothing_nor_does_what_comes_after",
        ),
        'case-15b (quoted: "halted by the ratio in a batch with nothing bad in it")': (
            f"{LIMITS}::TestRatio",
            f"{LETTERS}::test_a_batch_with_nothing_bad_in_it_is_committed_whatever_came_before",
        ),
        "trial-O7 (quoted: letters list and show \"print `-` and 'practiceid': 'string'\")": (
            f"{COMMANDS}::test_each_says_which_practice_the_record_names_be_it_anybodys_or_nobodys",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: dead letters by practice and reason")
    yield from shown_by_one_run(bench, "letters", FINDINGS)
