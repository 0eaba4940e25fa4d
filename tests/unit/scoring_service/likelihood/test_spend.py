"""What clients pay on a day: the published fit, and averages that shrink to everybody's."""

from random import Random

import pytest

from scoring_service.domain.likelihood.spend import Spend, SpendModel, expected_spend, fit_spend
from tests.support.generators.cdnow_purchases import LAST_FITTED, cdnow_purchases

PUBLISHED = SpendModel(p=6.25, q=3.74, gamma=15.44)
"""Fader and Hardie (2013), CDNOW, the repeat purchases of weeks 1 to 39 in dollars."""


def repeats() -> list[Spend]:
    found = []
    for purchases in cdnow_purchases().values():
        known = purchases.up_to(LAST_FITTED).by_day
        dollars = [known[day] / 100 for day in sorted(known)[1:]]
        if sum(dollars) > 0:
            found.append(Spend(len(dollars), sum(dollars) / len(dollars)))
    return found


def test_the_published_fit_of_cdnow_comes_out() -> None:
    spends = repeats()
    assert len(spends) == 946
    assert fit_spend(spends) == pytest.approx(PUBLISHED, abs=0.01)


def test_neither_unit_nor_order_changes_the_model() -> None:
    spends = repeats()
    fitted = fit_spend(spends)
    in_fen = [Spend(days, 700 * mean) for days, mean in spends]
    Random(1).shuffle(in_fen)
    other = fit_spend(in_fen)
    assert (other.p, other.q, other.gamma / 700) == pytest.approx(fitted, rel=1e-4)


def test_the_own_mean_counts_the_more_the_more_days_there_are() -> None:
    everybody = PUBLISHED.p * PUBLISHED.gamma / (PUBLISHED.q - 1)
    for own in (0.0, 100.0):
        expected = [expected_spend(PUBLISHED, days, own) for days in (1, 2, 5, 20, 1000)]
        distances = [abs(each - own) for each in expected]
        assert distances == sorted(distances, reverse=True)
        assert distances[-1] < 0.1
        assert all(min(own, everybody) < each < max(own, everybody) for each in expected)
    assert expected_spend(PUBLISHED, 3, everybody) == pytest.approx(everybody)
