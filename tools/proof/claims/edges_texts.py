"""The edges: texts as they are read, names, the way out, addresses of production, quiet hours. One
line for each finding; what was measured when it was found is quoted from it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

JUDGED = "tests/unit/outreach_service/test_judged_texts.py"
DIVIDED = "tests/unit/outreach_service/test_divided_words.py"
TEXTS = "tests/unit/outreach_service/test_templates.py"
WORDS = "tests/unit/outreach_service/test_words.py"
SETTINGS = "tests/unit/outreach_service/test_settings.py"
QUIET = "tests/unit/outreach_service/test_quiet_abroad.py"
OPERATIONS = "tests/contract/test_operations.py"
STORES = "tests/integration/outreach_service/test_store_suite.py"
COMPOSE = "tests/integration/deploy/test_compose.py"
ADDRESSES = "tests/integration/outreach_service/test_provider_addresses.py"
MAIL = "tests/integration/outreach_service/test_providers.py"
API = "tests/integration/outreach_service/test_api.py"
POINTS = "tests/integration/outreach_service/test_api_contact_points.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-H15 (quoted: "【Lakeside Depression & Anxiety Counselling】Hello Ada…" passes)': (
            f"{JUDGED}::test_a_name_that_tells_what_clients_come_for_goes_to_nobody",
            f"{JUDGED}::test_messages_are_signed_with_the_discreet_name",
            f"{JUDGED}::test_without_a_discreet_name_messages_wait_for_the_practice",
            f"{JUDGED}::test_they_go_once_it_has_one",
            f"{OPERATIONS}::test_a_discreet_name_that_tells_what_clients_come_for_is_refused_by_name",
            f"{STORES}::TestPostgresStore::test_messages_show_the_discreet_name_where_there_is_one",
            f"{WORDS}::test_a_name_that_registration_takes_tells_nothing_in_a_text",
            f"{WORDS}::test_a_name_that_registration_takes_can_be_shown",
            f"{WORDS}::test_a_telling_word_is_found_wherever_a_name_hides_it",
            f"{DIVIDED}::test_a_divided_word_is_found_in_a_name",
        ),
        'review-H15 (quoted: "values are escaped but not judged")': (
            f"{JUDGED}::test_a_name_that_tells_too_much_waits_until_a_person_has_seen_it",
            f"{JUDGED}::test_the_link_out_is_not_judged_by_its_letters",
            f"{SETTINGS}::test_no_process_sends_by_a_sender_that_tells_what_clients_come_for",
            f"{SETTINGS}::test_a_sender_that_reads_otherwise_elsewhere_is_refused_by_name",
            f"{DIVIDED}::test_a_divided_word_is_found_in_a_text",
            f"{DIVIDED}::test_ordinary_borders_make_no_word",
            f"{TEXTS}::test_an_encoded_word_stands_in_no_subject",
            f"{TEXTS}::test_the_lint_objects",
        ),
        'review-H5 (quoted: "accepted with `http://127.0.0.1:8000`")': (
            f"{SETTINGS}::test_no_process_sends_with_a_way_out_that_leads_nowhere",
            f"{SETTINGS}::test_without_an_address_of_its_own_no_process_sends",
        ),
        'trial-O1 (quoted: "RAPPORT_PUBLIC_URL: http://127.0.0.1:8003", beside .env.outreach)': (
            f"{COMPOSE}::test_an_operators_address_and_keys_hold_in_outreach",
            f"{COMPOSE}::test_what_an_operator_sets_in_an_env_file_is_not_overridden",
        ),
        'trial-O2 (quoted: "`RAPPORT_CONTACT_KEYS` in `.env.outreach` is overridden")': (
            f"{COMPOSE}::test_an_operators_address_and_keys_hold_in_outreach",
            f"{COMPOSE}::test_every_container_has_settings_that_its_service_takes",
            f"{COMPOSE}::test_secrets_are_for_their_owner_alone_and_never_overwritten",
        ),
        'case-13 (quoted: "another name is sent")': (
            f"{TEXTS}::test_a_name_goes_as_it_is",
            f"{TEXTS}::test_a_name_that_not_every_screen_shows_is_never_sent_as_another",
            f"{TEXTS}::test_no_name_breaks_out_of_its_line_and_none_becomes_another",
            f"{TEXTS}::test_wechat_cuts_no_clients_name_short",
            f"{JUDGED}::test_a_name_that_cannot_go_as_it_is_waits_for_a_person",
        ),
        'review-LOW (quoted: "unassigned characters … ends in `rendering:name`, final")': (
            f"{TEXTS}::test_a_name_goes_as_it_is",
            f"{JUDGED}::test_a_text_that_is_gone_loses_no_message",
        ),
        'case-4b (quoted: "care SMS at 10:00: 22:00 there")': (
            f"{QUIET}::test_a_number_abroad_gets_no_message_at_its_night",
            f"{QUIET}::test_of_several_zones_of_a_country_the_strictest_counts",
            f"{QUIET}::test_each_region_whose_numbers_are_known_has_its_clocks",
            f"{QUIET}::test_a_number_of_no_country_gets_nothing_by_hours",
        ),
        "review-M18 (quoted: \"Quiet hours are the practice's, never the client's\")": (
            f"{QUIET}::test_a_client_abroad_whose_zone_is_known_gets_it_by_day",
            f"{QUIET}::test_a_known_zone_counts_for_every_channel",
            f"{POINTS}::test_a_contact_may_say_the_clients_zone",
        ),
        'case-1c (quoted: "a care e-mail has no way out")': (
            f"{TEXTS}::test_the_lint_objects",
            f"{MAIL}::test_mail_of_every_purpose_can_be_left_with_one_click",
        ),
        'case-1a (quoted: "from 76 on … an encoded word without a URL"), of every length': (
            f"{ADDRESSES}::test_a_long_way_out_stands_readable_on_the_wire",
            f"{ADDRESSES}::test_a_way_out_of_any_length_stands_whole_in_one_line_of_the_raw_bytes",
            f"{ADDRESSES}::test_the_longest_way_out_that_we_make_fits_into_a_header",
        ),
        'case-2 (quoted: "HEAD or OPTIONS on the unsubscribe link: 405")': (
            f"{API}::test_each_click_withdraws_and_looking_does_not",
            f"{API}::test_a_link_that_was_not_signed_here_is_unknown",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: texts, names, the way out, quiet hours")
    yield from shown_by_one_run(bench, "edges_texts", FINDINGS)
