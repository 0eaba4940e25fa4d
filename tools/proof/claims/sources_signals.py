"""Sources: signals, each with its place; of care, grading reads nothing."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

SIGNALS = "tests/unit/ingestion_service/test_signals.py"
SUITE = "tests/integration/ingestion_service/test_store_suite.py::TestCare"

CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "signals: in any order and twice they stand as the oracle says": (
            f"{SIGNALS}::test_any_order_gives_what_the_oracle_says",
        ),
        "signals: of care, ingestion keeps no value and grading reads nothing": (
            f"{SIGNALS}::test_no_topic_that_grading_reads_knows_of_care",
            f"{SIGNALS}::test_ingestion_keeps_no_value_of_care",
            f"{SIGNALS}::test_a_client_known_by_care_alone_is_announced_by_what_is_no_care",
            SUITE,
        ),
        "signals: each type has a kind and a place": (
            f"{SIGNALS}::test_each_type_of_signal_has_a_kind_here_and_on_its_topic",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each claim, in one run of pytest."""
    bench.say("sources: signals")
    yield from shown_by_one_run(bench, "sources_signals", CLAIMS)
