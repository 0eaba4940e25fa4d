"""When clients come, and when they stop: the BG/NBD model.

While a client comes, hours follow each other at random, at a rate of the client's own; after each
of them the client stops for good with a probability of the client's own. Rates are spread over
clients as a gamma distribution (r, alpha), probabilities as a beta distribution (a, b). Time is in
weeks. Source of the model: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way (2005).
"""

from collections import Counter
from collections.abc import Sequence
from math import exp, expm1, fsum, inf, log, log1p
from typing import Final, NamedTuple

from scoring_service.domain.likelihood.histories import History
from scoring_service.domain.likelihood.simplex import Point, minimise

_WEEK: Final = 7
_WIDEST: Final = 9.2
"""The greatest logarithm of a parameter, about 1 to 10,000: where clients hardly differ, the
likelihood grows ever more slowly along a ridge, and the figures do not change any more."""
_TERMS: Final = 20_000
_SMALL: Final = 1e-13


class VisitModel(NamedTuple):
    """The four parameters of a practice, each above 0; `alpha` in weeks."""

    r: float
    alpha: float
    a: float
    b: float


class FittedVisits(NamedTuple):
    """The likeliest parameters, and the logarithm of their likelihood."""

    model: VisitModel
    log_likelihood: float


class _Told(NamedTuple):
    """How many clients have this history, in weeks."""

    repeats: int
    recency: float
    age: float
    clients: int


def fit_visits(histories: Sequence[History]) -> FittedVisits:
    """The likeliest parameters for these clients, whatever their order; NotSettled if there are
    none. `histories` must not be empty."""
    told = _told(histories)
    weeks = fsum(each.clients * each.age for each in told) / len(histories)

    def loss(logs: Point) -> float:
        if any(abs(each) > _WIDEST for each in logs):
            return inf
        return -_log_likelihood(VisitModel._make(map(exp, logs)), told)

    least = minimise(loss, (0.0, log(weeks + 1), 0.0, 0.0))
    return FittedVisits(VisitModel._make(map(exp, least.point)), -least.value)


def log_likelihood(model: VisitModel, histories: Sequence[History]) -> float:
    """The logarithm of the likelihood of these histories."""
    return _log_likelihood(model, _told(histories))


def alive(model: VisitModel, history: History) -> float:
    """The probability that the client has not stopped.

    It is 1 for who came on one day, since the model lets nobody stop before they came again.
    """
    log_odds = _log_odds_stopped(model, *_in_weeks(history))
    if log_odds > 0:  # so that a long silence after many hours cannot overflow
        return exp(-log_odds) / (1 + exp(-log_odds))
    return 1 / (1 + exp(log_odds))


def returns(model: VisitModel, history: History, days: int) -> float:
    """The probability of at least one day with an hour within the next `days`."""
    repeats, _, age = _in_weeks(history)
    waits = (model.r + repeats) * log1p(days / _WEEK / (model.alpha + age))
    return alive(model, history) * -expm1(-waits)


def expected_visits(model: VisitModel, history: History, days: int) -> float:
    """On how many days the client comes within the next `days`, on average.

    The published form divides by a - 1 and multiplies large powers; Euler's transformation of its
    hypergeometric series leaves neither: no parameter is special, and nothing overflows.
    """
    repeats, _, age = _in_weeks(history)
    r, alpha, a, b = model
    weeks = days / _WEEK
    ahead = weeks / (alpha + age + weeks)
    away = log1p(-ahead)
    top = a + b + repeats - 1
    power = (a - 1) * away
    level = -away if abs(a - 1) < _SMALL else -expm1(power) / (a - 1)
    series = _series(a + b - 1 - r, a, top, ahead)
    return alive(model, history) * (top * level - exp(power) * series)


def _series(first: float, second: float, third: float, ahead: float) -> float:
    """The sum over n >= 1 of (first)_n (second)_(n-1) / ((third + 1)_(n-1) n!) ahead^n, where
    (z)_n = z (z + 1) ... (z + n - 1)."""
    term = total = first * ahead
    for n in range(1, _TERMS):
        term *= (first + n) * (second + n - 1) / ((third + n) * (n + 1)) * ahead
        total += term
        if abs(term) <= _SMALL * abs(total):
            break
    return total


def _told(histories: Sequence[History]) -> list[_Told]:
    """Equal histories counted once, in an order that does not depend on that of the clients."""
    counted = Counter((each.repeats, each.last - each.first, each.age) for each in histories)
    return [
        _Told(repeats, recency / _WEEK, age / _WEEK, clients)
        for (repeats, recency, age), clients in sorted(counted.items())
    ]


def _in_weeks(history: History) -> tuple[int, float, float]:
    """Repeats, and the weeks from the first day to the last and to now."""
    return history.repeats, (history.last - history.first) / _WEEK, history.age / _WEEK


def _log_odds_stopped(model: VisitModel, repeats: int, recency: float, age: float) -> float:
    """The logarithm of the odds that the client stopped after the last day."""
    if not repeats:
        return -inf
    r, alpha, a, b = model
    silence = log1p((age - recency) / (alpha + recency))
    return log(a / (b + repeats - 1)) + (r + repeats) * silence


def _log_likelihood(model: VisitModel, told: Sequence[_Told]) -> float:
    r, alpha, _, _ = model
    came = _log_came(model, max(each.repeats for each in told))
    begins = r * log(alpha)
    return fsum(
        each.clients
        * (
            came[each.repeats]
            + begins
            - (r + each.repeats) * log(alpha + each.age)
            + _log_one_plus_exp(_log_odds_stopped(model, each.repeats, each.recency, each.age))
        )
        for each in told
    )


def _log_came(model: VisitModel, most: int) -> list[float]:
    """For each number of repeats the logarithm of G(r + x) B(a, b + x) / (G(r) B(a, b)), with the
    gamma and beta functions: products of x factors."""
    r, _, a, b = model
    logs = [0.0]
    for number in range(most):
        logs.append(logs[-1] + log((r + number) * (b + number) / (a + b + number)))
    return logs


def _log_one_plus_exp(power: float) -> float:
    return power + log1p(exp(-power)) if power > 0 else log1p(exp(power))
