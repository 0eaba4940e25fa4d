"""The engine's sending and statements: one line for each finding, by the tests that show it mended.

What is in brackets was measured when it was found, and is quoted; the figure is that of this run.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

FAIRNESS = "tests/integration/outreach_service/test_fairness.py"
FIRST_WATERMARK = "tests/integration/scoring_service/test_first_watermark.py"
PLANS = "tests/integration/test_plans.py"
DISPATCH = "tests/unit/outreach_service/test_handlers_dispatch.py"

FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "review-M10 (then: a message waits behind 20,000, 400 s; 10.8 row updates a message)": (
            FAIRNESS,
            f"{DISPATCH}::test_practices_are_served_in_turn_look_after_look",
        ),
        "review-H10 (then: 2.5 million clients in a partition: 57014 at 30.0 s, for ever)": (
            FIRST_WATERMARK,
        ),
        "review-M17 (then: lists, counts and reverse look-ups without an index)": (PLANS,),
        "replay-growth (then: ten times the rows, /v1/sources 10 -> 117 ms, messages by a rare"
        " state 18 -> 218, channels 8 -> 43)": (
            f"{PLANS}::test_statements_read_no_more_than_they_need",
            f"{PLANS}::test_without_its_index_a_statement_is_told",
            f"{PLANS}::test_policies_do_not_spoil_the_planners_estimates",
        ),
    }
)
"""Finding, and what was measured when it was found -> the tests that fail where it comes back."""


def measure(bench: Bench) -> Iterable[Measured]:
    """One run of those tests."""
    bench.say("the engine: fair sending, bounded statements")
    yield from shown_by_one_run(bench, "engine_sending", FINDINGS)
