"""The edges: numbers and addresses, what providers say, deadlines. One line for each finding.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ADDRESSES = "tests/integration/outreach_service/test_provider_addresses.py"
CODES = "tests/integration/outreach_service/test_provider_codes.py"
POINTS = "tests/integration/outreach_service/test_api_contact_points.py"
CONTACTS = "tests/unit/outreach_service/test_contacts.py"
REFUSALS = "tests/unit/outreach_service/test_handlers_refusals.py"
STORES = "tests/integration/outreach_service/test_store_suite.py::TestPostgresRefusals"
WEB = "tests/unit/outreach_service/test_web.py"
PEOPLE = "tests/unit/rapport_devkit/test_replay.py::TestPeople"
SETTINGS = "tests/unit/test_service_secrets.py"
ALERTS = "tests/unit/deploy/test_alerts.py::test_an_alert_refers_only_to_what_is_there"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H6 (quoted: "`+1 386 258 1234` is sent as `13862581234`")': (
            f"{ADDRESSES}::test_a_number_abroad_is_never_sent_as_one_of_the_mainland",
            f"{ADDRESSES}::test_a_country_that_the_account_serves_gets_its_number_whole",
            f"{CONTACTS}::test_no_number_abroad_has_the_form_of_one_of_the_mainland",
        ),
        'review-H6 (quoted: "the region is fixed to CN", "landlines and 400-numbers pass")': (
            f"{POINTS}::test_a_number_without_country_code_is_one_of_the_practices_country",
            f"{POINTS}::test_a_number_that_cannot_be_served_is_refused_by_name",
            f"{CONTACTS}::test_what_nothing_can_be_sent_to",
        ),
        'review-M6 (quoted: "a key rotation gone wrong turns a morning into `failed`")': (
            f"{CODES}::test_sms_codes",
            f"{REFUSALS}::TestAnAccount",
            f"{REFUSALS}::test_a_code_that_is_new_to_us_loses_no_message",
            f"{REFUSALS}::test_five_answers_in_a_row_that_nobody_understands_close_a_channel",
            STORES,
            ALERTS,
        ),
        'review-M7 (quoted: "sent as raw UTF-8 without SMTPUTF8: `500`, final")': (
            f"{ADDRESSES}::test_an_address_of_another_script_goes_in_its_ascii_form",
            f"{ADDRESSES}::test_an_address_that_not_every_relay_takes_goes_to_none",
        ),
        'review-M7 (quoted: "one mailbox under endless spellings, past caps and opt-outs")': (
            f"{POINTS}::test_one_mailbox_has_one_index_however_it_is_spelled",
            f"{POINTS}::test_an_address_that_relays_read_otherwise_is_refused",
        ),
        'review-M8 (quoted: "the next play tries again", "No table for it")': (
            f"{REFUSALS}::TestAPerson",
            f"{CODES}::test_what_a_relay_says_of_a_recipient",
            f"{POINTS}::test_a_contact_that_rests_says_why_and_a_new_address_does_not_rest",
            f"{POINTS}::test_a_consent_that_is_stated_later_ends_a_rest",
        ),
        'review-M9 (quoted: "one that drips a byte a second holds its place for ever")': (
            f"{WEB}::test_a_provider_that_drips_its_answer_does_not_hold_the_call",
            f"{WEB}::test_no_more_of_an_answer_is_read_than_64_kib",
            f"{WEB}::test_a_compressed_answer_is_not_unpacked",
        ),
        'case-1a (quoted: "`List-Unsubscribe: =?utf-8?q?=3Chttps…`")': (
            f"{ADDRESSES}::test_a_long_way_out_stands_readable_on_the_wire",
            f"{ADDRESSES}::test_the_sandbox_refuses_a_way_out_that_nobody_can_read",
        ),
        'case-1b (quoted: "every e-mail lost for good", "`care` alone is taken at start-up")': (
            f"{SETTINGS}::test_a_sender_is_checked_at_the_start",
        ),
        'case-3b, of the spelling (quoted: "`Shared.Box@` counts as another address")': (
            f"{POINTS}::test_one_mailbox_has_one_index_however_it_is_spelled",
        ),
        'trial-N3, of addresses (quoted: "the demo invents `{client_id}@example.net`")': (
            f"{PEOPLE}::test_can_be_reached_whatever_a_file_calls_them",
        ),
        'case-14a (quoted: "messages `failed` for good after 6 tries")': (
            f"{REFUSALS}::TestAnAccount::test_messages_wait_and_are_not_failed",
            f"{POINTS}::test_a_channel_whose_account_is_refused_says_so",
        ),
        'case-14b (quoted: "failed each time, SMS with consent never used")': (
            f"{REFUSALS}::TestAPerson::test_the_next_route_of_the_play_is_taken_at_once",
            f"{CODES}::test_wechat_codes",
        ),
        'case-14c (quoted: "40037 (template gone), 300 messages … 300 failed, no alert")': (
            f"{REFUSALS}::test_five_answers_in_a_row_that_nobody_understands_close_a_channel",
            f"{CODES}::test_wechat_codes",
            ALERTS,
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: providers, numbers, addresses")
    yield from shown_by_one_run(bench, "edges_providers", FINDINGS)
