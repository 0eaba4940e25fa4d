"""The engine: practices take turns on the bus, and what waits is neither lost nor doubled.

What is quoted was asked for or measured when nobody took turns; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

ON_BUS = "tests/integration/ingestion_service/test_deferring.py"
IN_MEMORY = "tests/unit/ingestion_service/test_deferring.py"
SHARES = "tests/unit/ingestion_service/test_turns.py"
CAMPAIGN = "tests/unit/tools/test_campaign.py"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'case-R28-order (quoted: "plain first-in-first-out must fail it")': (
            f"{ON_BUS}::test_ten_thousand_records_of_one_practice_are_in_nobodys_way",
            f"{ON_BUS}::test_the_order_within_a_practice_stays_that_of_each_partition",
            f"{IN_MEMORY}::test_practices_that_wait_take_turns",
            SHARES,
        ),
        'case-R28-holds (quoted: "nobody is judged on what is still waiting")': (
            f"{ON_BUS}::test_every_partition_says_that_the_hold_begins_before_all_and_ends_after_all",
            f"{IN_MEMORY}::test_a_hold_is_announced_before_the_first_activity_and_ended_after_the_last",
            f"{IN_MEMORY}::test_what_waited_is_accepted_at_the_time_at_which_the_practice_stands",
            f"{IN_MEMORY}::test_a_turn_ends_at_a_local_midnight_and_the_move_is_announced",
            f"{IN_MEMORY}::test_after_a_restore_holds_are_announced_again_before_anything_is_published",
            f"{ON_BUS}::test_the_sums_are_those_without_a_queue",
        ),
        'case-R28-kills (quoted: "kill while deferring, draining, releasing a hold: 0 lost, 0'
        ' doubled")': (
            f"{ON_BUS}::test_nothing_is_lost_or_doubled_where_a_worker_is_killed",
            f"{ON_BUS}::test_what_is_deferred_and_the_position_are_one_transaction",
            f"{ON_BUS}::test_what_is_drained_and_what_comes_of_it_are_one_transaction",
            f"{ON_BUS}::test_the_last_turn_and_the_end_of_the_hold_are_one_transaction",
            f"{CAMPAIGN}::test_where_a_queue_is_to_be_struck_a_practice_floods",
        ),
        'case-R28-sealed (quoted: "copied, sealed, into deferred")': (
            f"{ON_BUS}::test_what_waits_is_sealed",
            f"{ON_BUS}::test_what_no_key_opens_waits_for_its_key_and_nobody_waits_with_it",
        ),
    }
)
"""Claim, with what is quoted -> the tests that fail where it does not hold."""


def measure(bench: Bench) -> Iterable[Measured]:
    """One run of those tests."""
    bench.say("the engine: turns on the bus")
    yield from shown_by_one_run(bench, "engine_turns", CLAIMS)
