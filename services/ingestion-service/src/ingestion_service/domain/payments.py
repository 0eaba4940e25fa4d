"""What a payment's facts come to: which settlement counts, and how much of it went back."""

from typing import Final, Literal, NamedTuple

from ingestion_service.domain.activities import ActivityKind
from ingestion_service.domain.facts import Attributes, SourceFact, SourceKind
from ingestion_service.domain.standings import (
    Contribution,
    Effect,
    KeptFact,
    Standing,
    latest,
    with_codes,
)

REFUNDS_TOLD: Final[dict[SourceKind, Literal["singly", "as a total"]]] = {
    "refunded": "singly",
    "refund_failed": "singly",
    "refunded_total": "as a total",
}
"""How a kind tells of refunds; a payment uses one way."""


class _Back(NamedTuple):
    """What a refund or chargeback takes from its payment."""

    number: int = 0
    amount_minor: int = 0
    units: int = 0


def with_part(known: Standing, before: Standing, after: Standing) -> Standing:
    """A payment's standing after one of its refunds or chargebacks has changed."""
    old, new = _back(before), _back(after)
    return known._replace(
        refund_count=known.refund_count + new.number - old.number,
        refunded_minor=known.refunded_minor + new.amount_minor - old.amount_minor,
        refunded_units=known.refunded_units + new.units - old.units,
    )


def with_fact(known: Standing, fact: SourceFact, kept: KeptFact) -> Standing:
    """A payment's standing after a fact; what a fact says of a part, the part has (`with_part`)."""
    if fact.kind in REFUNDS_TOLD:
        known = known._replace(refunds_told=known.refunds_told or REFUNDS_TOLD[fact.kind])
    if fact.kind == "settled":
        known = known._replace(
            settled=latest(known.settled, kept), first_settled=_earliest(known, kept)
        )
        return with_codes(known, fact.attributes, fact.order) if fact.attributes else known
    if fact.kind == "failed":
        return known._replace(failed=latest(known.failed, kept))
    if fact.kind == "refunded_total":
        return known._replace(refunded_total=latest(known.refunded_total, kept))
    return known


def effect_of_payment(known: Standing) -> Effect:
    """What a payment counts for. Its amount is that of the latest settlement, its day that of the
    first: told again, it is no new money. After a failure it is, on the day of the latest."""
    settled, failed = known.settled, known.failed
    if settled is None or (failed is not None and failed.order > settled.order):
        return {}
    first = known.first_settled or settled
    on = settled.on if failed is not None and failed.order > first.order else first.on
    effect: dict[ActivityKind, Contribution] = {
        "settled": Contribution(on, None, known.attributes, 1, settled.amount_minor)
    }
    back = _all_back(known)
    if back.number:
        amount = min(back.amount_minor, settled.amount_minor)
        effect["refunded"] = Contribution(on, None, _returned(known), back.number, amount)
    return effect


def is_overdrawn(known: Standing) -> bool:
    """Whether more went back than was paid. What is beyond counts nowhere, until a settlement of a
    larger amount comes: a payment is never worth less than nothing."""
    settled = known.settled
    return settled is not None and _all_back(known).amount_minor > settled.amount_minor


def _back(part: Standing) -> _Back:
    """What a part takes back, by its latest fact."""
    last = part.last
    if last is None or last.kind in {"refund_failed", "chargeback_reversed"}:
        return _Back()
    return _Back(1, last.amount_minor, last.units)


def _all_back(known: Standing) -> _Back:
    total = known.refunded_total
    if total is None or not total.amount_minor:
        return _Back(known.refund_count, known.refunded_minor)
    return _Back(known.refund_count + 1, known.refunded_minor + total.amount_minor)


def _returned(known: Standing) -> Attributes:
    """Of which package how many hours went back; nothing where no refund says so."""
    if not known.refunded_units:
        return ()
    package = tuple(each for each in known.attributes if each[0] == "package_id")
    return (*package, ("units", known.refunded_units))


def _earliest(known: Standing, kept: KeptFact) -> KeptFact:
    first = known.first_settled or known.settled
    return kept if first is None or kept.order < first.order else first
