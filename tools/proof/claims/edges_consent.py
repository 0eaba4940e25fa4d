"""The edges: the client's word by the client's time, at the contact point for which it was given.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tests.support.generators.client_words import histories
from tests.support.memory.client_word_suite import faults
from tests.support.memory.outreach_adapter import MemoryAdapter
from tools.claim import Bench, Measured, none
from tools.proof.pytest_runs import shown_by_one_run

HISTORIES = 10_000
WORD = "tests/unit/outreach_service/test_client_word.py"
PERMISSIONS = "tests/unit/outreach_service/test_permissions.py"
MEMORY = "tests/unit/outreach_service/test_memory_store.py::TestMemoryClientWord"
POSTGRES = "tests/integration/outreach_service/test_store_suite.py::TestPostgresClientWord"
RACE = "tests/integration/outreach_service/test_consent_race.py"
API = "tests/integration/outreach_service/test_api_client_word.py"
WAY_OUT = "tests/unit/outreach_service/test_way_out.py"
GATES = "tests/unit/outreach_service/test_gates.py"
SETTINGS = "tests/unit/test_service_secrets.py"
POINTS = "tests/integration/outreach_service/test_api_contact_points.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H2 (quoted: "the same form 118: granted again, marketing goes on")': (
            f"{WORD}::test_a_form_that_is_sent_again_after_the_clients_click_changes_nothing",
            f"{API}::test_a_form_that_is_sent_again_adds_no_row_and_no_consent",
        ),
        "review-H3 (quoted: \"her click stops child A's e-mails, child B's go on\")": (
            f"{WORD}::test_a_click_holds_for_everybody_who_has_the_mailbox_in_any_spelling",
            f"{WORD}::test_an_opt_out_is_one_of_its_purpose_and_practice",
            RACE,
        ),
        'review-H4 (quoted: ""Reply R to refuse" is printed and nobody reads replies")': (
            f"{WAY_OUT}::test_what_has_no_way_out_is_not_sent_and_the_next_route_is_taken",
            f"{SETTINGS}::test_until_replies_are_read_no_promotional_sms_goes",
        ),
        'case-3a (quoted: "granted again, win-back delivered to who had said no")': (
            f"{WORD}::test_a_form_that_is_sent_again_after_the_clients_click_changes_nothing",
            f"{API}::test_a_form_that_is_sent_again_adds_no_row_and_no_consent",
        ),
        'case-3b (quoted: "the other\'s goes to the same mailbox")': (
            f"{WORD}::test_a_click_holds_for_everybody_who_has_the_mailbox_in_any_spelling",
            f"{POINTS}::test_one_mailbox_has_one_index_however_it_is_spelled",
            f"{GATES}::test_a_family_phone_is_capped_over_all_who_share_it",
        ),
        'case-3c (quoted: "consent carried over to an address that nobody agreed to")': (
            f"{WORD}::test_a_consent_is_not_carried_over_to_another_address",
            f"{WORD}::test_an_address_that_was_deleted_leaves_no_consent_for_the_next",
            f"{WORD}::test_an_old_address_that_is_sent_again_with_its_time_is_not_used",
            f"{API}::test_a_consent_does_not_apply_to_another_address",
            PERMISSIONS,
        ),
        'review-M20, of consents (quoted: "The consent row does not keep which key said it")': (
            f"{API}::test_a_consent_keeps_which_key_told_it",
        ),
        "the client's word in any order of arrival, both adapters": (MEMORY, POSTGRES),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Plays the histories in memory, and runs the tests of each finding in one run of pytest."""
    bench.say(f"the edges: {HISTORIES:,} histories of what clients said")
    found = 0
    for history in histories(bench.seed, HISTORIES):
        found += sum(1 for _ in faults(MemoryAdapter(undoes=False), "harbour", history))
    yield none(f"sends against the client's word, in {HISTORIES:,} random histories", found)
    yield from shown_by_one_run(bench, "edges_consent", FINDINGS)
