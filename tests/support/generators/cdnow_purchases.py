"""The committed CDNOW sample as plain purchases: who bought for how much on which day."""

import gzip
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import NamedTuple

LAST_FITTED = date(1997, 9, 30)
"""The last day of week 39: what is known when the models are fitted."""
LAST_JUDGED = date(1998, 6, 30)
"""The last day of week 78: what they are judged by."""


class Purchases(NamedTuple):
    """What a customer spent, in cents, by day; several purchases of one day are one."""

    by_day: dict[date, int]

    def up_to(self, last: date) -> "Purchases":
        """Those of days up to that one."""
        return Purchases({day: cents for day, cents in self.by_day.items() if day <= last})

    def after(self, day: date) -> int:
        """What was spent on later days."""
        return sum(cents for on, cents in self.by_day.items() if on > day)


def cdnow_purchases() -> dict[str, Purchases]:
    """Customer -> purchases; 2,357 customers, 6,919 rows."""
    packed = (files("rapport_devkit") / "data" / "cdnow-sample.txt.gz").read_bytes()
    customers: dict[str, Purchases] = {}
    for row in gzip.decompress(packed).decode("ascii").splitlines():
        _master, customer, day, _quantity, dollars = row.split()
        by_day = customers.setdefault(customer, Purchases({})).by_day
        on = date.fromisoformat(day)
        by_day[on] = by_day.get(on, 0) + int(Decimal(dollars) * 100)
    return customers
