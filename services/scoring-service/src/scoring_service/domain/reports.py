"""Reports over the standings of one scheme and practice: tables of plain rows (S4-16, S4-26).

Each function reads what it is given once and keeps counts alone. Shares are in hundredths of a
percent, days are practice-local dates, money is in minor units. `as_json` and `as_csv` write rows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

WHOLE: Final = 10_000
"""All of something, in hundredths of a percent."""
TOPS: Final = (1, 5, 10, 20, 40)
"""The best so many percent, of whom the concentration is told."""


class Migration(NamedTuple):
    """How many clients stood on one tier and now stand on another; a reserved standing or None, who
    was not there, counts as a tier. `share` is of those who stood on `before`."""

    before: str | None
    after: str | None
    clients: int
    share: int


class Share(NamedTuple):
    """How many stand on a tier, their share, the share that the scheme's source expects, and how
    far above (below: negative) it lies; None where no share is expected."""

    tier: str
    clients: int
    share: int
    expected: int | None
    drift: int | None


class Concentration(NamedTuple):
    """What the best `top_percent` of the clients hold: how many they are (rounded up), their sum
    and its share of all that is above 0; ties at the edge count as any of them would."""

    top_percent: int
    clients: int
    sum_minor: int
    share: int


class Drop(NamedTuple):
    """How many clients go from one tier to another on a day to come, if nothing happens."""

    on: date
    before: str
    after: str
    clients: int


Row = Migration | Share | Concentration | Drop


def migrations(
    moves: Iterable[tuple[str | None, str | None]], tiers: Sequence[str]
) -> list[Migration]:
    """The migration matrix between two dates, of each client's tier on both.

    Every pair that somebody went, in the order of `tiers`, which run as the scheme has them; other
    standings follow by name, and None comes last.
    """
    counted = Counter(moves)
    stood: Counter[str | None] = Counter()
    for (before, _), clients in counted.items():
        stood[before] += clients
    order = _Order(tiers)
    return [
        Migration(
            before, after, counted[before, after], _share(counted[before, after], stood[before])
        )
        for before, after in sorted(
            counted, key=lambda pair: (order.of(pair[0]), order.of(pair[1]))
        )
    ]


def shares(
    standings: Iterable[str], tiers: Sequence[str], expected: Mapping[str, int] | None = None
) -> list[Share]:
    """The share of each tier, those without a client too, and the drift from what is expected.

    `expected` are percents by tier, of those who stand on a tier: reserved standings get rows of
    their own, after the tiers, and count for no share.
    """
    counted = Counter(standings)
    ranked = sum(counted[tier] for tier in tiers)
    rows = [_share_row(tier, counted[tier], ranked, (expected or {}).get(tier)) for tier in tiers]
    others = sorted(set(counted) - set(tiers))
    return rows + [Share(other, counted[other], 0, None, None) for other in others]


def concentration(values: Iterable[int], tops: Sequence[int] = TOPS) -> list[Concentration]:
    """What the best clients hold of a sum of money; who has less than nothing takes nothing away,
    so that no share is above the whole."""
    held = sorted((max(0, value) for value in values), reverse=True)
    total = sum(held)
    rows = []
    for top in tops:
        clients = -(-len(held) * top // 100)
        sum_minor = sum(held[:clients])
        rows.append(Concentration(top, clients, sum_minor, _share(sum_minor, total)))
    return rows


def drops(steps: Iterable[tuple[date, str, str]], tiers: Sequence[str]) -> list[Drop]:
    """The drops to come, by day: of each client's next transitions (day, tier before, tier after)
    those that lead down. `tiers` are those of an ordered scheme, low to high; moves from or to a
    reserved standing are no drops."""
    places = {tier: place for place, tier in enumerate(tiers)}
    counted = Counter(
        (on, places[before], places[after])
        for on, before, after in steps
        if before in places and places.get(after, len(tiers)) < places[before]
    )
    return [
        Drop(on, tiers[before], tiers[after], clients)
        for (on, before, after), clients in sorted(counted.items())
    ]


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows as JSON has them; days are ISO 8601."""
    return [{name: _plain(value) for name, value in row._asdict().items()} for row in rows]


def as_csv(kind: type[Row], rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    """The names of the columns, then the rows; what is None is an empty cell."""
    yield kind._fields
    for row in rows:
        yield tuple("" if value is None else str(_plain(value)) for value in row)


class _Order:
    """The order of a scheme's standings: its tiers, then others by name, then None."""

    def __init__(self, tiers: Sequence[str]) -> None:
        self._places = {tier: place for place, tier in enumerate(tiers)}

    def of(self, standing: str | None) -> tuple[int, int, str]:
        """A key that sorts it."""
        if standing is None:
            return 2, 0, ""
        if standing in self._places:
            return 0, self._places[standing], ""
        return 1, 0, standing


def _share_row(tier: str, clients: int, of: int, expected_percent: int | None) -> Share:
    share = _share(clients, of)
    if expected_percent is None:
        return Share(tier, clients, share, None, None)
    return Share(tier, clients, share, 100 * expected_percent, share - 100 * expected_percent)


def _share(part: int, whole: int) -> int:
    """The part of the whole, rounded half up; of nothing it is nothing."""
    return (2 * WHOLE * part + whole) // (2 * whole) if whole else 0


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
