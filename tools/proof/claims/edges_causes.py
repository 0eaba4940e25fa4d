"""The edges: whether a cause still holds, what changes come to, what was said. One line for each.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

SETTLING = "tests/unit/outreach_service/test_settling.py"
HANDLERS = "tests/unit/outreach_service/test_handlers_settling.py"
GATES = "tests/unit/outreach_service/test_gates.py"
CONSUMER = "tests/unit/outreach_service/test_consumer.py"
ORDERS = "tests/unit/test_settled_orders.py"
MEMORY = "tests/unit/outreach_service/test_memory_store.py::TestMemorySettling"
STORES = "tests/integration/outreach_service/test_store_suite.py::TestPostgresSettling"
SAME_TEXT = "test_the_same_text_is_not_sent_twice_within_thirty_days"
RESTORED = "tests/faults/test_restored.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'replay-D4 (quoted: "Upgrade at 22:00, taken back at 22:50", sent at noon)': (
            f"{HANDLERS}::test_an_upgrade_that_is_taken_back_while_it_settles_is_told_to_nobody",
            f"{SETTLING}::test_what_changes_come_to",
        ),
        'replay-D4 (quoted: "No gate asks whether the tier … still holds")': (
            f"{HANDLERS}::test_a_message_whose_cause_is_gone_is_not_sent",
            f"{HANDLERS}::test_a_later_step_asks_whether_the_cause_still_holds",
            f"{GATES}::test_a_message_asks_whether_its_cause_still_holds",
            f"{GATES}::test_a_play_that_does_not_ask_ignores_bookings_and_activity",
            STORES,
        ),
        'replay-D8 (quoted: "3,342 … went the one way, 5,211 the other"), 1,000 histories': (
            f"{ORDERS}::test_the_order_of_facts_changes_nothing_that_is_said",
            f"{SETTLING}::test_what_a_source_sends_once_a_night_settles_when_it_comes",
            f"{CONSUMER}::test_a_change_is_heard_at_the_last_watermark_before_it_in_its_log",
        ),
        'replay-D8 (quoted: "14,938 and 14,791 upgrades"), a fifth of the demo by topic': (
            f"{ORDERS}::test_the_demo_says_the_same_whichever_topic_is_read_first",
        ),
        'trial-N2 (quoted: "C003 gets `welcome` and `thanks`", "five only `thanks`")': (
            f"{HANDLERS}::test_two_tiers_within_the_settling_time_are_one_message",
            f"{HANDLERS}::test_the_built_in_plays_welcome_whoever_is_new",
        ),
        'trial-N2 (quoted: "88 times the very same text", "Nothing supersedes an older")': (
            f"{HANDLERS}::test_the_newest_occasion_replaces_what_its_play_has_not_begun",
            f"{HANDLERS}::test_steps_that_follow_one_that_was_sent_are_not_replaced",
            f"{MEMORY}::{SAME_TEXT}",
            f"{STORES}::{SAME_TEXT}",
        ),
        'case-5b (quoted: "paid, refunded, paid again, four times in 16 days", four "thanks")': (
            f"{HANDLERS}::test_the_same_text_does_not_go_twice_within_thirty_days",
            f"{GATES}::test_the_same_text_may_go_again_on_the_thirtieth_local_day",
        ),
        'case-6b (quoted: "20 SMS delivered again, states say accepted")': (
            f"{RESTORED}::TestOutreach",
        ),
        'case-6c (quoted: "welcome of day 0 sent on day 5")': (
            f"{HANDLERS}::test_news_is_of_use_for_hours",
            f"{HANDLERS}::test_news_that_is_told_late_is_as_old_as_what_happened",
        ),
        'case-8a (quoted: "50 of 50 regulars get welcome"): the source says that it is history': (
            f"{HANDLERS}::test_history_is_told_to_nobody",
            f"{SETTLING}::test_history_ends_a_window_without_a_word",
        ),
        'case-8b (quoted: "40, 23, 27, 20 or 0 messages")': (
            f"{ORDERS}::test_the_order_of_facts_changes_nothing_that_is_said",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""

LATER: Mapping[str, str] = MappingProxyType(
    {
        'case-8a (quoted: "50 of 50 lapsed get win-back"), a preview of what would go': "Sources",
    }
)
"""What is left of a finding, and for which issue. Meanwhile history itself is told to nobody."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: causes, settling, what was said")
    yield from shown_by_one_run(bench, "edges_causes", FINDINGS)
    for finding, issue in LATER.items():
        yield Measured(finding, "later", issue, ok=True)
