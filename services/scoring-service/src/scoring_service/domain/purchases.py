"""What a client has bought and was offered, worked out of the money of each payment and offer.

Payments that name one package are one purchase; one of which nothing is left is none. The price of
an hour is what was paid for it, a package's divided by its hours; what goes back of a purchase
leaves its price as long as something of it is left.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scoring_service.domain.kernel.facts import Series

Sums = Mapping[tuple[str, str], Series]

PAID, RETURNED, OFFERED = "paid_of", "returned_of", "offered_of"
"""Kinds of sums that only this module reads: minor units by payment or offer."""
_APART = "|"


class _Purchase(NamedTuple):
    """The day of the first payment, the minor units that were paid and are left, the hours."""

    day: int
    paid: int
    left: int
    units: int


def key_of_payment(mark: str, package: str, units: int) -> str:
    """The key of a payment's sum; `mark` names the payment, `package` is empty for none."""
    return f"{mark}{_APART}{package}{_APART}{units or ''}"


def purchased(sums: Sums) -> Series:
    """How many were bought, by day."""
    return _by_day((each.day, 1) for each in _purchases(sums) if each.left > 0)


def sold(sums: Sums) -> dict[str, Series]:
    """How many hours' prices were paid, by price and day."""
    prices: dict[str, list[tuple[int, int]]] = {}
    for each in _purchases(sums):
        if each.left > 0:
            prices.setdefault(str(each.paid // max(1, each.units)), []).append((each.day, 1))
    return {price: _by_day(days) for price, days in prices.items()}


def quoted(sums: Sums) -> dict[str, Series]:
    """How many offers were made, by price and day."""
    prices: dict[str, list[tuple[int, int]]] = {}
    for (kind, _), (days, amounts) in sums.items():
        if kind == OFFERED:
            for day, amount in zip(days, amounts, strict=True):
                if amount > 0:
                    prices.setdefault(str(amount), []).append((day, 1))
    return {price: _by_day(days) for price, days in prices.items()}


def _purchases(sums: Sums) -> list[_Purchase]:
    found: dict[str, _Purchase] = {}
    for (kind, key), (days, amounts) in sums.items():
        if kind != PAID:
            continue
        mark, package, units = key.split(_APART)
        returned = sums.get((RETURNED, mark))
        paid = sum(amounts)
        left = paid - (sum(returned.nets) if returned else 0)
        one = _Purchase(days[0], paid, left, int(units or 0))
        known = found.get(package or mark)
        if known is not None:
            one = _Purchase(
                min(known.day, one.day),
                known.paid + one.paid,
                known.left + one.left,
                max(known.units, one.units),
            )
        found[package or mark] = one
    return list(found.values())


def _by_day(pairs: Iterable[tuple[int, int]]) -> Series:
    nets: dict[int, int] = {}
    for day, count in pairs:
        nets[day] = nets.get(day, 0) + count
    days = sorted(nets)
    return Series(days, [nets[day] for day in days])
