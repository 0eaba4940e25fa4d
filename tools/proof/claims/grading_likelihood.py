"""Grading: the order of the desk's list, against the published fit and what happened afterwards."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tests.support.worlds.later_spend import (
    LIKELIHOOD,
    PAST_SPEND,
    RFM_SUM,
    judge_orders,
    share_held,
)
from tools.claim import Bench, Measured
from tools.proof.pytest_runs import shown_by_one_run

PERCENTS = (5, 10, 20, 40)
JUDGED_AT = 10
"""The top of the list at which likelihood times value must hold no less than the other orders."""

_LIKELIHOOD = "tests/unit/scoring_service/likelihood"
CLAIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "likelihood: BG/NBD reproduces the published CDNOW fit, and gamma-gamma its own": (
            f"{_LIKELIHOOD}/test_visits.py::test_the_published_fit_of_cdnow_comes_out",
            f"{_LIKELIHOOD}/test_spend.py::test_the_published_fit_of_cdnow_comes_out",
        ),
        "likelihood: every figure is that of integrals which use no closed form": (
            f"{_LIKELIHOOD}/test_visits.py::test_every_figure_is_that_of_the_integrals",
            f"{_LIKELIHOOD}/test_visits.py::test_no_parameter_is_special",
        ),
        "likelihood: where facts are too few, a word says so": (
            f"{_LIKELIHOOD}/test_estimates.py::TestPractices",
            f"{_LIKELIHOOD}/test_estimates.py::TestClients",
            f"{_LIKELIHOOD}/test_wording.py",
        ),
    }
)
"""Claim -> the tests that show it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """CDNOW cut at week 39, judged by weeks 40 to 78; then one run of the tests."""
    bench.say("grading: CDNOW at week 39, judged by what was spent until week 78")
    judged = judge_orders()
    for percent in PERCENTS:
        held = {
            name: share_held(scores, judged.spent, percent)
            for name, scores in judged.orders.items()
        }
        best = max(held[RFM_SUM], held[PAST_SPEND])
        yield Measured(
            f"likelihood: what the top {percent} % by each order spend in weeks 40 to 78",
            ", ".join(f"{name} {share:.1%}" for name, share in held.items()),
            f"{LIKELIHOOD} >= {best:.1%}" if percent == JUDGED_AT else "printed",
            ok=percent != JUDGED_AT or held[LIKELIHOOD] >= best,
        )
    yield Measured(
        "likelihood: days with a purchase in the next half-year",
        f"{judged.expected_days:,.0f} expected, {judged.came_days:,} came",
        "printed",
        ok=True,
    )
    yield from shown_by_one_run(bench, "grading_likelihood", CLAIMS)
