"""What the public files say, counted from their rows alone, without any service code."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

Rows = Sequence[Sequence[str]]
Sums = Counter[tuple[str, str]]
"""(client's number in the file, kind) -> how many hours, or how many cents."""


def of_appointments(rows: Rows) -> Sums:
    """Who came, and who did not: the last column says whether they missed it."""
    return Counter((row[0], "no_show" if row[-1] == "Yes" else "completed") for row in rows)


def of_purchases(rows: Rows) -> Sums:
    """Each purchase is an hour, and its dollars."""
    sums: Sums = Counter()
    for _, client, *_, dollars in rows:
        sums[client, "completed"] += 1
        sums[client, "settled"] += int(Decimal(dollars) * 100)
    return +sums


def totals(sums: Sums) -> Counter[str]:
    """The same of all clients, by kind."""
    found: Counter[str] = Counter()
    for (_, kind), number in sums.items():
        found[kind] += number
    return found
