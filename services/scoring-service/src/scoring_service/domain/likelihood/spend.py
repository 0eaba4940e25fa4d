"""What clients pay for each day on which they come: the gamma-gamma model.

What a client pays on a day varies around a mean of the client's own (p), and the means are spread
over clients (q, gamma); neither hangs on how often a client comes. Source of the model: Fader and
Hardie, The Gamma-Gamma Model of Monetary Value (2013).
"""

from collections import Counter
from collections.abc import Sequence
from math import exp, fsum, inf, lgamma, log
from typing import Final, NamedTuple

from scoring_service.domain.likelihood.simplex import Point, minimise

_WIDEST: Final = 9.2
"""The greatest logarithm of a parameter, in units of the mean payment."""


class Spend(NamedTuple):
    """The days on which a client paid, 1 or more, and the mean of what was paid, above 0."""

    days: int
    mean: float


class SpendModel(NamedTuple):
    """The three parameters of a practice; `gamma` in the unit of the payments, `q` above 1, since
    payments have no mean below."""

    p: float
    q: float
    gamma: float


def fit_spend(spends: Sequence[Spend]) -> SpendModel:
    """The likeliest parameters for these clients, whatever their order; NotSettled if there are
    none. `spends` must not be empty."""
    unit = fsum(each.mean for each in spends) / len(spends)
    told = sorted(Counter(Spend(each.days, each.mean / unit) for each in spends).items())

    def loss(logs: Point) -> float:
        if any(abs(each) > _WIDEST for each in logs):
            return inf
        return -_log_likelihood(_model(logs), told)

    model = _model(minimise(loss, (0.0, 0.0, 0.0)).point)
    return model._replace(gamma=model.gamma * unit)


def expected_spend(model: SpendModel, days: int, mean: float) -> float:
    """What the client pays on a day to come, on average: between the own mean and everybody's, and
    nearer to the own one, the more days there are. `mean` may be 0."""
    p, q, gamma = model
    return p * (gamma + days * mean) / (p * days + q - 1)


def _model(logs: Point) -> SpendModel:
    p, above_one, gamma = map(exp, logs)
    return SpendModel(p, 1 + above_one, gamma)


def _log_likelihood(model: SpendModel, told: Sequence[tuple[Spend, int]]) -> float:
    p, q, gamma = model
    begins = q * log(gamma) - lgamma(q)
    of_days = {days: lgamma(p * days + q) - lgamma(p * days) for days, _ in dict(told)}
    return fsum(
        clients
        * (
            begins
            + of_days[days]
            + p * days * log(days * mean)
            - log(mean)
            - (p * days + q) * log(gamma + days * mean)
        )
        for (days, mean), clients in told
    )
