"""A scheme as it is asked: ladders, and one flat table from their rungs to a tier."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from scoring_service.domain.kernel.ladders import Ladder
from scoring_service.domain.kernel.measures.measure import Falls, Read

MOST_CELLS: Final = 20_000
"""The most combinations of rungs that a table may have (S20)."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A level that a client can be on: its key within the scheme, its labels by language (C-21),
    and the row that it comes from."""

    key: str
    names: dict[str, str]
    source: str


class Cheap(NamedTuple):
    """A ladder whose falls cost little: its number, its falls, and for each cell the first rung
    below its own that leads to another tier if the other ladders stay; NO_RUNG where none does."""

    number: int
    falls: Falls
    drops: Sequence[int]


NO_RUNG: Final = -1


@dataclass(frozen=True, slots=True)
class Scheme:
    """One immutable version of a grading; each combination of rungs has exactly one tier (C-01).

    A combination is a cell: the sum of each ladder's rung times its stride. `tier_table` has the
    tier of each cell as an index into `tiers`, which run from low to high if the scheme is
    `ordered`; `score_table` its score in hundredths, None where a scheme has none. `earned` has the
    points of each ladder's rungs, empty for a ladder that earns none. A ladder of a scheme that
    this one stands on is named after both, such as `value.net`. Build one with
    `documents.compile_scheme`, which checks it. `reads`, `cheap` and `costly` are the ladders as
    `timeline` asks them: how each is read, with its stride, and how its falls are found.
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
    reads: tuple[tuple[Read, int], ...] = field(init=False, repr=False, compare=False)
    cheap: tuple[Cheap, ...] = field(init=False, repr=False, compare=False)
    costly: tuple[tuple[int, Falls], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        measures = [ladder.measure for ladder in self.ladders]
        reads = zip((measure.read for measure in measures), self.strides, strict=True)
        object.__setattr__(self, "reads", tuple(reads))
        cheap, costly = [], []
        for number, measure in enumerate(measures):
            if measure.is_cheap:
                cheap.append(Cheap(number, measure.falls, self._drops(number)))
            else:
                costly.append((number, measure.falls))
        object.__setattr__(self, "cheap", tuple(cheap))
        object.__setattr__(self, "costly", tuple(costly))

    def rungs(self, cell: int) -> tuple[int, ...]:
        """The rung of each ladder in a cell."""
        sizes = (len(ladder.rungs) for ladder in self.ladders)
        return tuple(cell // step % size for step, size in zip(self.strides, sizes, strict=True))

    def _drops(self, number: int) -> list[int]:
        """`Cheap.drops` of a ladder."""
        table, step = self.tier_table, self.strides[number]
        size = len(self.ladders[number].rungs)
        drops: list[int] = []
        for cell, tier in enumerate(table):
            rung = cell // step % size
            if not rung:
                drops.append(NO_RUNG)
            elif table[cell - step] != tier:
                drops.append(rung - 1)
            else:
                drops.append(drops[cell - step])
        return drops

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
