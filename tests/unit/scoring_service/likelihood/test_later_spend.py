"""The order of the desk's list, judged by what customers spent afterwards."""

import pytest

from tests.support.worlds.later_spend import (
    LIKELIHOOD,
    PAST_SPEND,
    RFM_SUM,
    Judged,
    judge_orders,
    share_held,
)


@pytest.fixture(scope="module")
def judged() -> Judged:
    return judge_orders()


def test_the_top_tenth_by_likelihood_spends_no_less_than_those_of_the_other_orders(
    judged: Judged,
) -> None:
    held = {name: share_held(scores, judged.spent, 10) for name, scores in judged.orders.items()}
    assert held[LIKELIHOOD] >= max(held[RFM_SUM], held[PAST_SPEND])


def test_the_days_that_were_expected_came_to_be_within_a_fifth(judged: Judged) -> None:
    # The half-year has Christmas in it, of which the first 39 weeks know nothing.
    assert judged.expected_days == pytest.approx(judged.came_days, rel=0.2)


def test_those_with_one_score_share_what_is_left() -> None:
    scores = {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0}
    spent = {"a": 10, "b": 20, "c": 40, "d": 30}
    assert share_held(scores, spent, 25) == 0.1
    assert share_held(scores, spent, 50) == 0.4
    assert share_held(scores, spent, 75) == 0.7
    assert share_held(scores, spent, 100) == 1
