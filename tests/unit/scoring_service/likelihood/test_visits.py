"""When clients come and stop: the published fit, and every figure against integrals."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.likelihood.histories import History, history_of
from scoring_service.domain.likelihood.visits import (
    VisitModel,
    alive,
    expected_visits,
    fit_visits,
    log_likelihood,
    returns,
)
from tests.support.generators.cdnow_purchases import LAST_FITTED, cdnow_purchases
from tests.support.oracles.likelihood import Came, Parameters, judge

PUBLISHED = VisitModel(r=0.2426, alpha=4.4135, a=0.7929, b=2.4258)
"""Fader, Hardie and Lee (2005), CDNOW, weeks 1 to 39."""
LOG_LIKELIHOOD = -9582.43

parameter = st.floats(0.05, 30)
models = st.builds(VisitModel, parameter, parameter, parameter, parameter)


@st.composite
def histories(draw: st.DrawFn) -> History:
    age = draw(st.integers(0, 1500))
    repeats = draw(st.integers(0, min(age, 60)))
    silence = draw(st.integers(0, age - repeats)) if repeats else age
    return History(first=700_000, last=700_000 + age - silence, repeats=repeats, age=age)


def sample() -> list[History]:
    found = []
    for purchases in cdnow_purchases().values():
        days = [day.toordinal() for day in purchases.up_to(LAST_FITTED).by_day]
        history = history_of(days, LAST_FITTED.toordinal())
        assert history is not None
        found.append(history)
    return found


def test_the_published_fit_of_cdnow_comes_out() -> None:
    told = sample()
    assert len(told) == 2_357
    fitted = fit_visits(told)
    assert fitted.model == pytest.approx(PUBLISHED, rel=1e-4)
    assert fitted.log_likelihood == pytest.approx(LOG_LIKELIHOOD, abs=5e-3)
    assert log_likelihood(PUBLISHED, told) == pytest.approx(LOG_LIKELIHOOD, abs=5e-3)


def test_the_order_of_the_clients_changes_no_digit() -> None:
    told = sample()[:400]
    fitted = fit_visits(told)
    Random(1).shuffle(told)
    assert fit_visits(told) == fitted


@given(models, histories(), st.integers(1, 400))
def test_every_figure_is_that_of_the_integrals(
    model: VisitModel, history: History, days: int
) -> None:
    weeks = (history.last - history.first) / 7, history.age / 7
    found = judge(Parameters(*model), Came(history.repeats, *weeks), days / 7)
    assert log_likelihood(model, [history]) == pytest.approx(
        found.log_likelihood, rel=1e-7, abs=1e-9
    )
    assert alive(model, history) == pytest.approx(found.alive, rel=1e-6, abs=1e-12)
    assert returns(model, history, days) == pytest.approx(found.returns, rel=1e-6, abs=1e-12)
    assert expected_visits(model, history, days) == pytest.approx(found.visits, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("a", [1.0, 1.0 + 1e-14, 1.0 - 1e-9, 1.0 + 1e-9, 2.0])
def test_no_parameter_is_special(a: float) -> None:
    model, history = VisitModel(0.5, 4.0, a, 2.0), History(700_000, 700_210, 12, 273)
    found = judge(Parameters(*model), Came(12, 30.0, 39.0), 26.0)
    assert expected_visits(model, history, 182) == pytest.approx(found.visits, rel=1e-7)


def test_hundreds_of_hours_and_years_of_silence_overflow_nothing() -> None:
    often = History(first=700_000, last=700_700, repeats=700, age=10_000)
    assert alive(PUBLISHED, often) == 0
    assert expected_visits(PUBLISHED, often, 182) == 0
    lately = often._replace(age=701)
    assert 0.9 < alive(PUBLISHED, lately) < 1
    assert 100 < expected_visits(PUBLISHED, lately, 182) < 182


def test_silence_only_lowers_what_is_expected() -> None:
    history = History(first=700_000, last=700_100, repeats=9, age=100)
    figures = [
        (
            alive(PUBLISHED, aged),
            returns(PUBLISHED, aged, 182),
            expected_visits(PUBLISHED, aged, 182),
        )
        for aged in (history._replace(age=age) for age in range(100, 800, 7))
    ]
    assert figures == sorted(figures, reverse=True)
