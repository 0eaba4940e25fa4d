"""Orders of the CDNOW customers by what is known at week 39, and what they spend until week 78."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from scoring_service.domain.digest import Digest
from scoring_service.domain.likelihood.estimates import (
    HORIZON,
    Fitted,
    desk_order,
    estimate,
    fit_practice,
)
from scoring_service.domain.likelihood.histories import Record, record_of
from tests.support.generators.cdnow_purchases import LAST_FITTED, Purchases, cdnow_purchases

LIKELIHOOD, RFM_SUM, PAST_SPEND = "likelihood x value", "RFM sum", "past spend"
Scores = Mapping[str, float]
"""Customer -> score; the higher, the nearer to the top of the list."""


class Judged(NamedTuple):
    """The orders by name, what each customer spends later, in cents, and on how many days."""

    orders: Mapping[str, Scores]
    spent: Mapping[str, int]
    expected_days: float
    came_days: int


def judge_orders() -> Judged:
    """All three orders, by purchases up to week 39, and what weeks 40 to 78 brought."""
    customers = cdnow_purchases()
    known = {name: each.up_to(LAST_FITTED) for name, each in customers.items()}
    records = {
        name: record_of(_facts(each), LAST_FITTED.toordinal()) for name, each in known.items()
    }
    fitted = fit_practice(records.values())
    assert isinstance(fitted, Fitted)
    found = {name: estimate(fitted, record, LAST_FITTED) for name, record in records.items()}
    listed = sorted(found, key=lambda name: desk_order(found[name]), reverse=True)
    places = {desk_order(found[name]): place for place, name in enumerate(listed)}
    orders = {
        LIKELIHOOD: {name: float(places[desk_order(each)]) for name, each in found.items()},
        RFM_SUM: rfm_sums(records),
        PAST_SPEND: {name: float(record.net_minor) for name, record in records.items()},
    }
    return Judged(
        orders=orders,
        spent={name: each.after(LAST_FITTED) for name, each in customers.items()},
        expected_days=sum((each.visits or 0) / 100 for each in found.values()),
        came_days=sum(
            sum(LAST_FITTED < day <= HORIZON.after(LAST_FITTED) for day in each.by_day)
            for each in customers.values()
        ),
    )


def rfm_sums(records: Mapping[str, Record]) -> dict[str, float]:
    """Recency, frequency and monetary value as fifths of the customers, 1 to 5 each, added up."""
    came = {name: each.history for name, each in records.items() if each.history is not None}
    dimensions = (
        {name: history.last for name, history in came.items()},
        {name: history.days for name, history in came.items()},
        {name: records[name].net_minor for name in came},
    )
    sums = dict.fromkeys(came, 0.0)
    for values in dimensions:
        ascending = sorted(values.values())
        for name, value in values.items():
            sums[name] += 1 + 5 * bisect_left(ascending, value) // len(ascending)
    return sums


def share_held(scores: Scores, spent: Mapping[str, int], percent: int) -> float:
    """What part of all that is spent the top of an order spends; of those with one score at its
    edge each counts in part, so that no order among equals is made up."""
    groups: dict[float, list[int]] = {}
    for name, score in scores.items():
        groups.setdefault(score, []).append(spent[name])
    left, held = len(scores) * percent / 100, 0.0
    for score in sorted(groups, reverse=True):
        taken = min(left, len(groups[score]))
        held += sum(groups[score]) * taken / len(groups[score])
        left -= taken
    return held / sum(spent.values())


def _facts(purchases: Purchases) -> Digest:
    facts = Digest()
    for day, cents in purchases.by_day.items():
        facts.put("completed", day.toordinal(), 1)
        facts.put("settled", day.toordinal(), cents)
    return facts
