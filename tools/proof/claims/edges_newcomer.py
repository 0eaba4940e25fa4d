"""The edges: the first hour of a newcomer, the integrator's traps, and what a later issue takes.

What was measured when a finding was found is quoted from it; the figure is that of this run. A line
that says `later` names what will take it; its tests show that it does no harm meanwhile.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

SAVED = "tests/unit/rapport_files/test_as_saved.py"
VALUES = "tests/unit/rapport_files/test_values.py"
ROWS = "tests/unit/rapport_files/test_rows_of_events.py"
PEOPLE = "tests/unit/rapport_devkit/test_replay.py::TestPeople"
SAID = "tests/unit/rapport_devkit/test_demo_words.py"
RUN = "tests/unit/rapport_devkit/test_demo_run.py"
STORY = "tests/unit/rapport_devkit/test_demo_story.py"
WORDS = "tests/unit/rapport_devkit/test_words.py"
MAKEFILE = "tests/unit/tools/test_makefile.py"
DEMO = "tests/e2e/test_demo.py"
RANGES = "tests/unit/rapport_contracts/test_ranges.py"
CLIENTS = "tests/contract/test_generated_clients.py"
OPERATIONS = "tests/contract/test_operations.py"
INGESTION_API = "tests/integration/ingestion_service/test_api.py"
MESSAGES = "tests/unit/outreach_service/test_handlers_messages.py"
PLAYBOOKS = "tests/unit/outreach_service/test_playbook.py"
ACTIVITIES = "tests/unit/ingestion_service/test_activities.py"
ACCEPT = "tests/unit/ingestion_service/test_handlers_accept.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'trial-N3 (quoted: "a perfectly good file ends in a traceback after 24 s")': (
            f"{PEOPLE}::test_can_be_reached_whatever_a_file_calls_them",
            f"{VALUES}::TestIds::test_other_ids_stay_as_they_are",
            f"{DEMO}::test_the_readers_own_file_is_replayed_and_a_second_run_starts_clean",
        ),
        'trial-N4 (quoted: "is not UTF-8 — no word how to save otherwise")': (
            f"{SAVED}::TestTheFile::test_is_read_in_the_encodings_of_chinese_spreadsheets",
            f"{SAVED}::TestTheFile::test_rare_characters_of_names_are_read_too",
            f"{SAVED}::TestTheFile::test_another_encoding_is_refused_with_the_way_to_save_it",
            f"{SAVED}::TestTheFile::test_what_is_no_table_is_told",
        ),
        'trial-N4 (quoted: "no hint at the separator, nor which columns were found")': (
            f"{SAVED}::TestTheFile::test_is_read_with_another_separator",
            f"{SAVED}::TestTheFile::test_a_line_that_names_the_separator_is_obeyed",
            f"{SAVED}::TestTheFile::test_what_is_missing_is_told_beside_what_there_is",
            f"{SAVED}::TestTheFile::test_a_column_that_only_payments_need_is_told_once",
        ),
        'trial-N4 (quoted: "Chinese headers, `Client_ID`, ` happened_at`, a title row")': (
            f"{SAVED}::TestTheFile::test_other_words_for_the_columns_are_known",
            f"{SAVED}::TestTheFile::test_our_own_word_goes_before_others_that_mean_the_same",
            f"{SAVED}::TestTheFile::test_two_columns_that_may_be_the_same_are_told",
            f"{SAVED}::TestTheFile::test_a_title_above_the_header_is_passed_over",
        ),
        'trial-N4 (quoted: "every line: is not a date such as 2026-03-01 14:30")': (
            f"{VALUES}::TestInstants",
        ),
        'trial-N4, case-9 (quoted: "is not a number such as 49.90"; "silent: read as digits")': (
            f"{VALUES}::TestAmounts",
            f"{ROWS}::test_the_decimals_of_every_currency_are_known",
        ),
        'trial-N4 (quoted: "已完成 / Completed: is none of booked, rescheduled, …")': (
            f"{SAVED}::test_other_words_for_the_events_are_known",
        ),
        'trial-N4 (quoted: "three empty rows at the end: client_id: is empty ×3")': (
            f"{SAVED}::TestTheFile::test_rows_without_any_value_are_passed_over",
            f"{SAVED}::TestTheFile::test_columns_without_a_header_are_passed_over",
        ),
        'trial-N4 (quoted: "after that is mended come four more walls")': (
            f"{SAVED}::test_all_walls_are_told_at_once",
            f"{SAVED}::test_a_thousand_of_one_kind_hide_no_other",
            f"{ROWS}::test_every_bad_line_is_named_and_the_others_are_read",
        ),
        'trial-N4 (quoted: "There is no template file to fill in")': (
            f"{SAVED}::test_the_files_to_fill_in_are_read",
        ),
        'case-10 (quoted: "three clients as `1.38001E+10`", "ids `#N/A`, `NULL`, a tab")': (
            f"{VALUES}::TestIds",
        ),
        "trial-N5 (quoted: \"'dead letters 35' in a file that had none\")": (
            f"{SAID}::test_what_the_demo_added_itself_is_said",
            f"{RUN}::test_an_owners_file_is_sent_as_it_is_with_its_payments_from_the_till",
            f"{DEMO}::test_the_readers_own_file_is_replayed_and_a_second_run_starts_clean",
        ),
        'trial-N6 (quoted: "The demo ends where looking around would begin")': (
            f"{SAID}::test_the_end_shows_keys_addresses_and_how_to_move_the_clock",
            f"{RUN}::test_commands_are_shown_only_while_there_are_servers",
            f"{DEMO}::test_the_demo_tells_its_story_and_its_commands_work",
        ),
        'trial-N7 (quoted: "no word on the version", "unrecognized arguments: file.csv")': (
            MAKEFILE,
        ),
        'trial-N7 (quoted: "booked … times 0", "in fen without currency")': (
            f"{STORY}::test_what_came_to_nothing_is_not_told",
            f"{STORY}::test_money_is_told_in_the_currencys_main_unit",
            f"{SAID}::test_money_is_told_in_the_main_unit",
        ),
        'trial-N7 (quoted: "nothing is said for 129 s", "All texts … are English")': (
            f"{SAID}::test_to_a_file_a_line_is_said_now_and_then",
            WORDS,
            f"{RUN}::test_the_demo_speaks_chinese_to_a_chinese_owner",
            f"{SAVED}::test_the_problems_are_told_in_the_owners_language",
        ),
        'trial-I2, review-H16 (quoted: "forward only, one at a time", "no list")': (
            f"{INGESTION_API}::test_a_client_is_found_by_its_id_and_by_each_of_its_identities",
            f"{INGESTION_API}::test_a_look_up_names_each_of_a_thousand_clients_in_one_way",
            f"{INGESTION_API}::test_all_clients_are_listed_in_pages_by_id",
        ),
        'trial-I3 (quoted: "`currency` takes RMB and XYZ, for ever")': (RANGES,),
        'trial-I5, case-16 (quoted: "Contacts cannot be set", "has no example")': (
            CLIENTS,
            f"{OPERATIONS}::test_an_operation_shows_examples_that_its_schemas_permit",
        ),
        'trial-I6 (quoted: "The documents are not valid to common tools")': (
            f"{CLIENTS}::test_a_document_is_valid_openapi",
            f"{OPERATIONS}::test_every_group_is_described",
        ),
        'trial-I7, review-M19 (quoted: "unknown query words are ignored", "`cursor`/`after`")': (
            f"{OPERATIONS}::test_a_query_word_that_the_document_does_not_name_is_refused",
        ),
        'trial-I7 (quoted: "`no template for care by email` does not name the template")': (
            f"{PLAYBOOKS}::test_each_route_without_a_text_is_a_fault_of_its_play",
        ),
        'trial-I7 (quoted: "a reason stands only inside `detail`", pointers in three forms)': (
            f"{INGESTION_API}::test_a_single_event_that_is_rejected_is_a_problem",
            f"{INGESTION_API}::test_a_single_event_is_told_all_its_faults",
        ),
        'trial-I7, case-2 (quoted: "HEAD is 405 everywhere")': (
            f"{OPERATIONS}::test_head_is_answered_as_get_is",
            f"{OPERATIONS}::test_a_link_in_a_mail_takes_whatever_a_mail_program_appends",
        ),
        'trial-I7 (quoted: "`approve` twice is 409, `cancel` twice 200")': (
            f"{MESSAGES}::test_a_repeated_approval_changes_nothing_however_far_the_message_is",
        ),
        'case-11a, trial-I7 (quoted: "settled 3,000, refunded 5,000", "monetary -600")': (
            f"{ACTIVITIES}::test_what_goes_back_beyond_what_was_paid_counts_nowhere_until_more_is_paid",
            f"{ACCEPT}::test_what_goes_back_beyond_what_was_paid_is_told_and_counts_nowhere",
            f"{INGESTION_API}::test_a_refund_beyond_what_was_paid_is_counted",
        ),
        'review-LOW (quoted: vendored files "without recorded version, origin and SHA-256")': (
            "tests/unit/test_vendored_files.py",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""

MEANWHILE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'trial-N1, later: Grading (quoted: "27 gold"); cut-offs by currency, or one\'s own': (
            f"{SAID}::test_the_cut_offs_are_told_in_the_practices_currency",
            f"{RUN}::test_a_rulebook_of_ones_own_is_taken",
            f"{DEMO}::test_the_readers_own_file_is_replayed_and_a_second_run_starts_clean",
        ),
        'review-H14, later: Grading (quoted: "exponents are nowhere"); decimals are known': (
            RANGES,
            f"{ROWS}::test_the_decimals_of_every_currency_are_known",
        ),
        'case-11c, later: Sources G1 (quoted: "another client made"); refused as other-client': (
            f"{INGESTION_API}::test_a_payment_of_another_client_is_a_conflict",
        ),
    }
)
"""What a later issue takes -> the tests that show what holds until then."""

LATER: Mapping[str, str] = MappingProxyType(
    {
        'trial-I1 (quoted: "One person in two source systems is two clients")': (
            "Sources; said in architecture.md and the contracts' README, with the way round"
        ),
        'case-7b (quoted: "the payment feed goes silent", "30 check-ins sent")': "Sources",
        'case-11b (quoted: "dispute won … net stays 0")': "Sources G2",
        'case-12 (quoted: "a move that comes as a new booking; the counsellor cancels")': (
            "Sources G4, G5"
        ),
        'trial-I7 (quoted: "`inputs_complete: true` with the scoring worker dead")': (
            "Sources (freshness); as_of is old meanwhile, and the worker's alert fires"
        ),
        'trial-I7 (quoted: "`to_tiers:[platinum]` → 200; the play never fires")': (
            "Grading (which tiers a practice has); it sends nothing meanwhile"
        ),
        'review-M19 (quoted: "no order by time, no changed-since, no feed of outreach events")': (
            "Care"
        ),
        'review-M19 (quoted: "Contact points cannot be read back … by bulk")': "Links (export)",
        'review-LOW (quoted: "a data key for each client")': "Links (erasure)",
    }
)
"""What a later issue takes, and what is to be known until then."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: newcomers, integrators, and what comes later")
    claims = {**FINDINGS, **MEANWHILE}
    yield from shown_by_one_run(bench, "edges_newcomer", claims)
    for claim, issue in LATER.items():
        yield Measured(claim, f"later: {issue}", "later", ok=True)
