"""The engine's shares of an API by practice: one line for each finding, by the tests that show it.

What is in brackets was measured when it was found, and is quoted; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

UNIT = "tests/unit/rapport_runtime"
POOLS = "tests/integration/test_pools.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "review-H12 (then: a practice asks 12 at a time, another's look-up takes 2.2 s, /readyz"
        " 2.4 s)": (
            f"{UNIT}/test_places.py",
            f"{UNIT}/test_calls.py",
            f"{UNIT}/test_own_threads.py",
            POOLS,
            "tests/integration/security/test_denial.py::test_every_connection_of_an_api_has_its_limits",
        ),
        "review-M22 (then: /metrics and /readyz ask the database on the public port, up to 100,000"
        " rows a scrape)": (
            f"{UNIT}/test_own_threads.py::test_however_often_probes_are_asked_the_database_is_asked_once",
        ),
        "review-M1 (then: 1 MiB of JSON stops the event loop for 0.14-0.19 s before any key is"
        " looked at)": (f"{UNIT}/test_large_bodies.py",),
        "review-M21 (then: another password of the database refuses every feed cursor)": (
            f"{UNIT}/test_settings.py::test_in_production_cursors_hang_on_a_secret_of_their_own",
            f"{UNIT}/test_settings.py::test_another_role_or_password_of_the_database_changes_no_cursor",
        ),
        "replay-growth of /v1/distribution (then: ten times the rows, 3.6 -> 18 ms)": (
            "tests/integration/scoring_service/test_tier_counts.py",
            "tests/integration/test_plans.py::test_statements_read_no_more_than_they_need",
        ),
    }
)
"""Finding, and what was measured when it was found -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the engine: shares of an API by practice")
    yield from shown_by_one_run(bench, "engine_shares", FINDINGS)
