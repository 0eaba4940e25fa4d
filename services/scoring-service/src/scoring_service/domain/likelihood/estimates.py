"""A practice's models, and what they say of one client: integers, or a word where facts are few."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, Literal, NamedTuple, TypeVar

from scoring_service.domain.likelihood.histories import History, Record
from scoring_service.domain.likelihood.simplex import NotSettled
from scoring_service.domain.likelihood.spend import Spend, SpendModel, expected_spend, fit_spend
from scoring_service.domain.likelihood.visits import (
    VisitModel,
    alive,
    expected_visits,
    fit_visits,
    returns,
)
from scoring_service.domain.periods import Period

HORIZON: Final = Period.parse("P6M")
"""How far an estimate looks ahead."""
LEAST_CLIENTS: Final = 100
LEAST_RETURNED: Final = 50
LEAST_DAYS: Final = 182
"""Whom a fit needs at least, all ours: clients who came, those of them who came again, and the days
since the first of all came; half a year cannot be told from less."""
MOST_CLIENTS: Final = 20_000
"""The most clients that a fit reads; of more, evenly spread ones. Four parameters need no more, and
the time of a fit stays bounded (S20)."""

WhyNot = Literal["too_few_clients", "too_few_returned", "too_short", "not_settled"]
_Item = TypeVar("_Item")
Basis = Literal["never_came", "came_once", "came_again"]


class NotReady(NamedTuple):
    """A practice for which nothing can be estimated, and why."""

    why: WhyNot


class Fitted(NamedTuple):
    """A practice's models; no `spend` where too few clients have paid."""

    visits: VisitModel
    spend: SpendModel | None


class Estimate(NamedTuple):
    """What is expected of a client within the horizon.

    Probabilities are in thousandths, `visits` in hundredths of a day with an hour, `value_minor` in
    minor units. `basis` says what it rests on: all others are None for who never came; `alive` is
    None for who came on one day, of whom the model cannot tell whether they have stopped.
    """

    basis: Basis
    alive: int | None = None
    returns: int | None = None
    visits: int | None = None
    value_minor: int | None = None


def fit_practice(records: Iterable[Record]) -> Fitted | NotReady:
    """The models of a practice, by all its clients, in whatever order they come."""
    came = sorted(
        (record.history, record.net_minor) for record in records if record.history is not None
    )
    histories = [history for history, _ in came]
    if len(histories) < LEAST_CLIENTS:
        return NotReady("too_few_clients")
    if sum(history.repeats > 0 for history in histories) < LEAST_RETURNED:
        return NotReady("too_few_returned")
    if max(history.age for history in histories) < LEAST_DAYS:
        return NotReady("too_short")
    spends = [
        Spend(history.days, net_minor / history.days)
        for history, net_minor in came
        if net_minor > 0
    ]
    try:
        visits = fit_visits(evenly(histories, MOST_CLIENTS)).model
        spend = fit_spend(evenly(spends, MOST_CLIENTS)) if len(spends) >= LEAST_CLIENTS else None
    except NotSettled:
        return NotReady("not_settled")
    return Fitted(visits, spend)


def estimate(fitted: Fitted, record: Record, as_of: date) -> Estimate:
    """What is expected of a client within the horizon, by the facts to the end of a day."""
    history = record.history
    if history is None:
        return Estimate("never_came")
    days = HORIZON.after(as_of).toordinal() - as_of.toordinal()
    visits = expected_visits(fitted.visits, history, days)
    return Estimate(
        basis="came_again" if history.repeats else "came_once",
        alive=round(1000 * alive(fitted.visits, history)) if history.repeats else None,
        returns=round(1000 * returns(fitted.visits, history, days)),
        visits=round(100 * visits),
        value_minor=_value(fitted.spend, history, record.net_minor, visits),
    )


def desk_order(found: Estimate) -> tuple[int, int, int]:
    """The key that sorts the desk's list, the best first: value, then days, then the probability to
    come at all; those of whom nothing is known come last (S4-10)."""
    return -_or_last(found.value_minor), -_or_last(found.visits), -_or_last(found.returns)


def evenly(items: Sequence[_Item], most: int) -> Sequence[_Item]:
    """At most so many of the items, evenly spread over their order."""
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]


def _value(spend: SpendModel | None, history: History, net_minor: int, visits: float) -> int | None:
    if spend is None:
        return None
    paid = max(0, net_minor) / history.days
    return round(visits * expected_spend(spend, history.days, paid))


def _or_last(figure: int | None) -> int:
    return -1 if figure is None else figure
