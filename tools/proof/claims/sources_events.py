"""Sources: what their events of all kinds come to, in any order of arrival."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tests.support.generators.source_histories import histories
from tests.support.worlds.source_histories import faults
from tools.claim import Bench, Measured, none
from tools.proof.pytest_runs import shown_by_one_run

HISTORIES = 10_000
BOOKINGS = "tests/unit/ingestion_service/test_bookings.py"
PAYMENTS = "tests/unit/ingestion_service/test_payments.py"
LINKED = "tests/integration/ingestion_service/test_linked_objects.py"
WORKERS = "tests/integration/ingestion_service/test_two_workers.py"
YEARS = "tests/unit/test_two_years.py"
SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestParked"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "events: 200 random histories by Kafka and Postgres with two workers, without a deadlock": (
            WORKERS,
            f"{LINKED}::test_workers_with_each_others_chains_and_parts_do_not_deadlock",
        ),
        "events: two years of history in five orders come to the same tiers, and to no message": (
            YEARS,
        ),
        "events: a reversal that names no client finds its payment": (SUITE, LINKED),
        "events: what was taken back is given back, and again": (
            f"{PAYMENTS}::test_a_refund_that_failed_counts_no_longer",
            f"{PAYMENTS}::test_a_dispute_that_is_lost_and_won_in_turn_ends_right",
        ),
        "events: a booking that is moved under another id is one": (
            f"{BOOKINGS}::test_a_chain_of_ids_is_one_booking_in_any_order",
            f"{BOOKINGS}::test_the_old_id_may_be_cancelled_when_the_hour_is_moved",
        ),
        "events: money that is told again is as old as it was": (
            f"{PAYMENTS}::test_a_settlement_that_is_told_again_moves_no_day",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """`HISTORIES` random histories with this run's seed, in memory, against the oracle; and the
    tests of each kind of event, in one run of pytest."""
    bench.say(f"{HISTORIES:,} random histories of source events against the oracle")
    told = wrong = 0
    for history in histories(bench.seed, HISTORIES):
        told += sum(map(len, history.batches))
        wrong += any(True for _ in faults(history))
    yield Measured("events: events in them", f"{told:,}", "> histories", told > HISTORIES)
    yield none(f"events: wrong sums, in {HISTORIES:,} random histories", wrong)
    yield from shown_by_one_run(bench, "sources_events", CLAIMS)
