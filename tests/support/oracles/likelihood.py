"""What the BG/NBD model says of a client, by its assumptions alone: integrals, no closed form.

While a client comes, days follow each other at the rate l, and after each one they stop with the
probability p. For a fixed p the integral over l is a gamma function; that over p is added up here,
by the double exponential rule, which takes any power at both ends. Time is in weeks.
"""

from collections.abc import Iterator
from math import cosh, exp, fsum, lgamma, log, log1p, pi, sinh
from typing import NamedTuple

_STEPS = 64
_REACH = 7 * _STEPS


class Parameters(NamedTuple):
    """The spread of rates (r, alpha) and of stopping (a, b)."""

    r: float
    alpha: float
    a: float
    b: float


class Came(NamedTuple):
    """Days after the first one, the weeks from the first to the last, and to now."""

    repeats: int
    recency: float
    age: float


class Found(NamedTuple):
    """What the model says: the logarithm of the likelihood, the probability that the client has not
    stopped, that they come within the weeks to come, and on how many days on average."""

    log_likelihood: float
    alive: float
    returns: float
    visits: float


def judge(model: Parameters, came: Came, weeks: float) -> Found:
    """All of it, for one client."""
    goes_on, stopped = _weight(model, came, came.age), _weight(model, came, came.recency)
    points = list(_points(model))
    scale = max(goes_on, stopped)
    likely_on = [
        weight * exp(goes_on - scale + came.repeats * log_q) for _, log_q, weight in points
    ]
    likely_stopped = [
        weight * exp(stopped - scale + log(p) + (came.repeats - 1) * log_q) if came.repeats else 0.0
        for p, log_q, weight in points
    ]
    whole = fsum(likely_on) + fsum(likely_stopped)
    ahead = weeks / (model.alpha + came.age)
    shape = model.r + came.repeats
    expected = [
        likely * -_expm1(-shape * log1p(p * ahead)) / p
        for likely, (p, _, _) in zip(likely_on, points, strict=True)
    ]
    alive = fsum(likely_on) / whole
    return Found(
        log_likelihood=log(whole) + scale,
        alive=alive,
        returns=alive * -_expm1(-shape * log1p(ahead)),
        visits=fsum(expected) / whole,
    )


def _weight(model: Parameters, came: Came, until: float) -> float:
    """The logarithm of the integral of l^x exp(-l until) over the gamma distribution of l."""
    r, alpha = model.r, model.alpha
    shape = r + came.repeats
    return lgamma(shape) - lgamma(r) + r * log(alpha) - shape * log(alpha + until)


def _points(model: Parameters) -> Iterator[tuple[float, float, float]]:
    """(p, the logarithm of 1 - p, the weight of the beta distribution there)."""
    a, b = model.a, model.b
    begins = lgamma(a + b) - lgamma(a) - lgamma(b)
    for step in range(-_REACH, _REACH + 1):
        place = step / _STEPS
        log_p, log_q = _log_logistic(pi * sinh(place)), _log_logistic(-pi * sinh(place))
        weight = exp(begins + a * log_p + b * log_q) * pi * cosh(place) / _STEPS
        if log_p > -700 and weight > 0:
            yield exp(log_p), log_q, weight


def _log_logistic(value: float) -> float:
    return -log1p(exp(-value)) if value > -700 else value


def _expm1(value: float) -> float:
    """exp(value) - 1, exactly enough for small values."""
    if abs(value) > 1e-5:
        return exp(value) - 1
    return value * (1 + value / 2 * (1 + value / 3))
