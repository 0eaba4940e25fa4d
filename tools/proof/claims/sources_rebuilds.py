"""Sources: clients are rebuilt from the ledger and turned into another zone, under live events."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

PIPELINE = "tests/unit/test_rebuilds.py"
COMMAND = "tests/unit/ingestion_service/test_rebuilding.py"
POSTGRES = "tests/integration/ingestion_service/test_rebuild.py"
SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestRebuilds"
ZONES = "tests/integration/ingestion_service/test_zone_changes.py"
SCORING = "tests/integration/scoring_service"
OUTREACH = "tests/integration/outreach_service/test_store_suite.py::TestPostgresGenerations"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rebuilds: what was right stays, what was lost comes back by one change": (PIPELINE,),
        "rebuilds: killed wherever, each client is rebuilt once and each fact counts once": (
            f"{COMMAND}::test_each_client_of_the_scope_is_rebuilt_once",
            f"{COMMAND}::test_killed_it_goes_on_where_it_was",
            f"{POSTGRES}::test_readers_have_each_fact_once_whatever_is_killed",
            f"{POSTGRES}::test_a_killed_command_goes_on_behind_the_last_client_that_is_whole",
            SUITE,
        ),
        "rebuilds: beside killed workers and live events no reader sees a part": (
            "tests/faults/test_rebuild_kills.py",
        ),
        "rebuilds: the old tier answers until the last fact has come": (
            f"{SCORING}/test_rebuilds.py",
            f"{SCORING}/test_store_suite.py::TestPostgresGenerations",
        ),
        "rebuilds: outreach folds bookings and activity beside the old ones": (OUTREACH,),
        "zones: random histories in another zone are those of the oracle, whatever is killed": (
            "tests/unit/ingestion_service/test_zone_histories.py",
            ZONES,
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: rebuilds and changes of zone")
    yield from shown_by_one_run(bench, "sources_rebuilds", CLAIMS)
