"""The edges: who has read clients' personal data. One line a finding.

What was measured when a finding was found is quoted from it; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

API = "tests/integration/outreach_service/test_api_reads.py"
PURGE = "tests/integration/test_purge_outreach.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'review-M20, of reading (quoted: "reading names … and preferences is not audited")': (
            API,
            f"{PURGE}::test_reads_of_personal_data_go_after_their_term_and_no_sooner",
            f"{PURGE}::test_nobody_but_the_purge_removes_a_read",
            "tests/unit/outreach_service/test_memory_store.py::TestMemoryReads",
            "tests/integration/outreach_service/test_store_suite.py::TestPostgresReads",
        ),
    }
)
"""Finding, with what was measured then -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """Runs the tests of each finding, in one run of pytest."""
    bench.say("the edges: who has read personal data")
    yield from shown_by_one_run(bench, "edges_reads", FINDINGS)
