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
KEYS = "tests/integration/rapport_runtime/test_keys.py"
BY_REST = "tests/integration/ingestion_service/test_keys_api.py"
ME = "tests/unit/rapport_runtime/test_me.py"
SCOPES = "tests/contract/test_scopes.py"
ONE = "tests/integration/test_one_key.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H13 (quoted: "2,000 guesses at once are all looked up (the limit is 60)")': (
            f"{GUESSES}::test_an_address_pays_before_each_try_and_never_owes_any",
            f"{GUESSES}::test_one_key_from_many_requests_is_looked_up_once",
            f"{GUESSES}::test_the_line_is_bounded",
            f"{GUESSES}::test_an_ipv4_address_is_one_caller_however_it_is_spelt",
        ),
        'review-H13 (quoted: "a good key that this process has not seen yet then waits 1,941 s")': (
            f"{GUESSES}::test_a_burst_of_guesses_pays_first_and_locks_no_good_key_out",
            f"{GUESSES}::test_turns_are_a_second_apart",
            f"{GUESSES}::test_good_keys_pass_from_an_address_that_guesses",
            f"{GUESSES}::test_a_look_up_that_raises_is_no_guess",
        ),
        'review-H13 (quoted: "all callers have one address")': (
            f"{SERVED}::test_whose_word_is_taken_on_a_callers_address",
            f"{SETTINGS}::test_nobodys_word_on_a_callers_address_is_taken_but_a_named_proxys",
            f"{SETTINGS}::test_a_proxy_is_named_by_its_address",
        ),
        'review-M1 (quoted: "1 MiB of JSON stops the event loop … before any key is looked at")': (
            BODIES,
        ),
        'review-M19, of keys (quoted: "no label, no rotation, no “who am I”")': (
            f"{KEYS}::test_two_keys_hold_side_by_side_until_the_old_one_ends",
            f"{KEYS}::test_a_rotation_never_prolongs_a_key",
            f"{KEYS}::test_the_last_use_is_noted_once_a_minute",
            f"{KEYS}::test_the_audit_keeps_who_made_and_ended_which_key",
            BY_REST,
            ME,
        ),
        'review-M19, of keys (quoted: "Three keys on three hosts for one integration")': (
            ONE,
            f"{KEYS}::test_a_key_of_another_service_holds_only_while_the_log_is_read",
            f"{KEYS}::test_a_key_that_may_stand_in_the_log_is_not_refused_for_good",
            "tests/integration/rapport_runtime/test_real_time.py",
            "tests/integration/scoring_service/test_store_suite.py::TestPostgresKeys",
            "tests/integration/outreach_service/test_store_suite.py::TestPostgresKeys",
        ),
        'review-M21 (quoted: "rotating the API role\'s password refuses every feed cursor")': (
            f"{SETTINGS}::test_another_role_or_password_of_the_database_changes_no_cursor",
            f"{SETTINGS}::test_in_production_cursors_hang_on_a_secret_of_their_own",
        ),
        'trial-I4 (quoted: "`--scopes tiers:raed` … → rc 0, a key that never works")': (
            f"{KEYS}::test_the_command_says_what_is_wrong",
            f"{KEYS}::test_what_keys_may_do_is_listed_without_a_database",
            f"{BY_REST}::test_a_key_that_would_never_work_is_not_made",
            SCOPES,
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: API keys, guesses, bodies")
    yield from shown_by_one_run(bench, "edges_keys", FINDINGS)
