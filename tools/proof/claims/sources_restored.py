"""Sources: a database that went back without a word is found and repaired."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

REPAIR = "tests/integration/ingestion_service/test_repair.py"
HISTORIES = "tests/integration/ingestion_service/test_repaired_histories.py"
RESTORED = "tests/faults/test_restored.py::TestIngestion"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "restored: it is found before a worker reads on, and the list names what is lost": (
            f"{RESTORED}::test_the_worker_stops_before_it_reads_again_and_the_list_names_what_is_lost",
        ),
        "restored: random histories, repaired and sent again, are as an oracle recomputes them": (
            HISTORIES,
        ),
        "restored: repaired and sent again, every client is as before": (
            f"{REPAIR}::test_every_client_is_as_before_when_the_events_have_come_again",
            f"{REPAIR}::test_a_booking_keeps_the_id_by_which_readers_know_it",
        ),
        "restored: a killed repair goes on where it was": (
            f"{REPAIR}::test_killed_it_goes_on_where_it_was",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: a restored database")
    yield from shown_by_one_run(bench, "sources_restored", CLAIMS)
