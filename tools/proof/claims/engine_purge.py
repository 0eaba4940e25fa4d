"""The engine: nothing grows for ever, and one role alone removes anything.

What was found is quoted from the finding; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

RIGHTS = "tests/integration/test_purge_rights.py"
PURGE = "tests/integration/test_purge.py"
OUTREACH = "tests/integration/test_purge_outreach.py"
CLASSES = "tests/integration/test_retention.py"
LETTERS = "tests/integration/test_purge_letters.py"
SEALED = "tests/integration/rapport_runtime/test_sealed_letters.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H11 (quoted: "`append_only` refuses DELETE whoever asks", now all but one)': (
            RIGHTS,
        ),
        'review-H11 (quoted: "a class of retention for each table")': (
            f"{CLASSES}::test_every_table_of_the_catalogue_has_one_class",
            f"{CLASSES}::test_what_waits_and_what_is_unique_for_ever_has_no_term",
        ),
        'review-H11 (quoted: "Nothing is ever removed": feed, audit, dead letters dealt with)': (
            f"{PURGE}::TestTheFeed",
            f"{PURGE}::TestMonths",
            LETTERS,
        ),
        'review-H11 (quoted: "message (each with its whole play and change as JSONB), attempt")': (
            OUTREACH,
        ),
        'review-H11 (quoted: "the feed stalls at a gap")': (
            f"{PURGE}::TestTheFeed::test_a_cursor_from_before_is_told_where_to_go_on",
            f"{PURGE}::TestTheFeed::test_an_old_row_behind_a_young_one_waits_so_that_no_gap_comes",
        ),
        "review-H11: a purge is alone, in pages, reports, and goes on where it was killed": (
            f"{PURGE}::TestTheCommand",
            f"{PURGE}::TestTheFeed::test_it_goes_in_pages_each_of_its_own",
        ),
        'review-M13 (quoted: "Dead letters keep raw bytes ... for ever": they go with a month)': (
            LETTERS,
        ),
        'review-M13 (quoted: "lies unsealed in ingestion": sealed, for its place)': (
            f"{SEALED}::test_no_word_of_a_record_lies_in_the_database_whether_it_waits_or_was_decided",
            f"{SEALED}::test_what_was_moved_does_not_open",
        ),
        "review-M13: a key that is gone names its letters, and the others go on": (
            f"{SEALED}::test_where_a_key_is_gone_the_letter_names_it_and_the_others_go_on",
            f"{SEALED}::test_show_says_which_key_is_gone_and_list_shows_the_letter",
            f"{SEALED}::test_what_an_older_key_sealed_is_sealed_again_once_wherever_it_lies",
        ),
    }
)
"""Finding, with what was found then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: nothing grows for ever")
    yield from shown_by_one_run(bench, "engine_purge", FINDINGS)
