"""A scheme as it is asked: ladders, and one flat table from their rungs to a tier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scoring_service.domain.kernel.ladders import Ladder

MOST_CELLS: Final = 20_000
"""The most combinations of rungs that a table may have (S20)."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A level that a client can be on: its key within the scheme, its labels by language (C-21),
    and the row that it comes from."""

    key: str
    names: dict[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """One immutable version of a grading; each combination of rungs has exactly one tier (C-01).

    A combination is a cell: the sum of each ladder's rung times its stride. `tier_table` has the
    tier of each cell as an index into `tiers`, which run from low to high if the scheme is
    `ordered`; `score_table` its score in hundredths, None where a scheme has none. `earned` has the
    points of each ladder's rungs, empty for a ladder that earns none. A ladder of a scheme that
    this one stands on is named after both, such as `value.net`. Build one with
    `documents.compile_scheme`, which checks it.
    """

    key: str
    version: int
    names: dict[str, str]
    currency: str | None
    ordered: bool
    tiers: tuple[Tier, ...]
    ladders: tuple[Ladder, ...]
    strides: tuple[int, ...]
    tier_table: Sequence[int]
    score_table: Sequence[int] | None
    earned: tuple[tuple[int, ...], ...]

    def tier_keys(self) -> tuple[str, ...]:
        """The keys of the tiers, in their order."""
        return tuple(tier.key for tier in self.tiers)


def strides_of(sizes: Sequence[int]) -> tuple[int, ...]:
    """How far apart two rungs of each ladder lie in a table, by how many rungs each ladder has; the
    last ladder moves first."""
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))
