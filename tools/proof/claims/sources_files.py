"""Sources: files that are understood before they are taken, and go into the ledger once."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

READ = "tests/unit/rapport_files"
IMPORTING = "tests/unit/ingestion_service/importing"
MEMORY = f"{IMPORTING}/test_importing.py"
REFUSALS = f"{IMPORTING}/test_refusals.py"
POSTGRES = "tests/integration/ingestion_service/test_import.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "files: killed in the middle and given again, the ledger is that of the file": (
            f"{POSTGRES}::test_a_killed_import_goes_on_and_the_ledger_is_that_of_the_file",
            f"{MEMORY}::test_killed_in_the_middle_and_given_again_the_ledger_is_the_same",
            f"{MEMORY}::TestSnapshots::test_killed_a_snapshot_tells_the_same_events",
        ),
        "files: twice, and in shuffled halves, two sources come to the same ledger": (
            f"{POSTGRES}::test_two_sources_twice_and_in_shuffled_halves_are_the_same_ledger",
            f"{MEMORY}::test_a_file_of_a_shop_is_in_the_ledger_as_it_is_in_the_file",
        ),
        "files: a snapshot becomes the events that it differs by": (
            f"{READ}/test_snapshots.py",
            f"{MEMORY}::TestSnapshots",
        ),
        "files: unasked, nothing is taken; what has two readings is asked": (
            f"{READ}/test_questions.py",
            f"{MEMORY}::test_without_yes_it_only_tells_what_it_understood",
            f"{REFUSALS}::test_what_is_not_clear_is_not_taken",
            f"{REFUSALS}::test_nobody_guesses_whether_a_file_reports_history",
        ),
        "files: the same rows in each encoding, format and order are the same events": (
            f"{READ}/test_same_rows.py",
            f"{READ}/test_as_saved.py",
        ),
        "files: what a spreadsheet has damaged is refused by line": (
            f"{READ}/test_values.py::TestIds",
            f"{READ}/test_readers.py::TestWorkbooks::test_what_is_damaged_is_refused_by_line",
            f"{REFUSALS}::test_refused_lines_are_in_the_errors_file_with_their_numbers_and_the_way_out",
        ),
        "files: no report repeats a word of a column that is not mapped": (
            f"{READ}/test_silence.py",
        ),
        "files: memory stays flat": (f"{READ}/test_memory.py",),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: files")
    yield from shown_by_one_run(bench, "sources_files", CLAIMS)
