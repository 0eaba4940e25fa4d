"""What every kind of decision comes to: a tier and maybe a score for each combination of rungs."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from scoring_service.domain.kernel.decisions.conditions import LadderRungs, Rungs
from scoring_service.domain.kernel.source import Place

TierKeys = tuple[str, ...]
"""The keys of the tiers, low to high where they have an order."""


class Decided(NamedTuple):
    """The tier of each combination as an index, and its score in hundredths where there is one;
    in the order of `combinations`. `earned` has the points of each rung, 0 to 100, by ladder."""

    tiers: list[int]
    scores: list[int] | None = None
    earned: tuple[tuple[int, ...], ...] | None = None


Decide = Callable[[Place, LadderRungs, TierKeys], Decided]
"""Works out every combination, or raises InvalidDocument with a combination as the witness."""


def combinations(ladders: LadderRungs) -> Iterable[Rungs]:
    """Every combination of rungs; the last ladder moves first."""
    return product(*(range(len(rungs)) for rungs in ladders.values()))


def parse_tier(place: Place, tiers: TierKeys) -> int:
    """The index of a tier that is named; InvalidDocument."""
    return tiers.index(place.word(tiers))
