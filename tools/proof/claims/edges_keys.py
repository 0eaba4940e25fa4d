"""The edges: API keys, who guesses them, and what is done before one holds. One line a finding.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

GUESSES = "tests/unit/rapport_runtime/test_failed_keys.py"
SERVED = "tests/unit/rapport_runtime/test_serve.py"
SETTINGS = "tests/unit/rapport_runtime/test_settings.py"
BODIES = "tests/unit/rapport_runtime/test_large_bodies.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H13 (quoted: "2,000 guesses at once are all looked up (the limit is 60)")': (
            f"{GUESSES}::test_an_address_pays_before_each_try_and_never_owes_any",
            f"{GUESSES}::test_one_key_from_many_requests_is_looked_up_once",
            f"{GUESSES}::test_the_line_is_bounded",
        ),
        'review-H13 (quoted: "a good key that this process has not seen yet then waits 1,941 s")': (
            f"{GUESSES}::test_a_burst_of_guesses_pays_first_and_locks_no_good_key_out",
            f"{GUESSES}::test_turns_are_a_second_apart",
            f"{GUESSES}::test_good_keys_pass_from_an_address_that_guesses",
        ),
        'review-H13 (quoted: "all callers have one address")': (
            f"{SERVED}::test_whose_word_is_taken_on_a_callers_address",
            f"{SETTINGS}::test_nobodys_word_on_a_callers_address_is_taken_but_a_named_proxys",
            f"{SETTINGS}::test_a_proxy_is_named_by_its_address",
        ),
        'review-M1 (quoted: "1 MiB of JSON stops the event loop … before any key is looked at")': (
            BODIES,
        ),
        'review-M21 (quoted: "rotating the API role\'s password refuses every feed cursor")': (
            f"{SETTINGS}::test_another_role_or_password_of_the_database_changes_no_cursor",
            f"{SETTINGS}::test_in_production_cursors_hang_on_a_secret_of_their_own",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: API keys, guesses, bodies")
    yield from shown_by_one_run(bench, "edges_keys", FINDINGS)
