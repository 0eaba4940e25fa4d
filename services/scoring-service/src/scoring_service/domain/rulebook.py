"""A rulebook of the kind `rfm`, as data: the points of each rung, and the tier of each score."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise, product
from math import inf
from typing import NamedTuple

from scoring_service.domain.periods import Period, first_day_counted

PROSPECT, IRON = 0, 1

Rungs = tuple[int, int, int]
"""Where a client stands on the three ladders: recency, frequency, monetary."""


class TableEntry(NamedTuple):
    """The score of three rungs, in hundredths (0 to 10,000), and their tier, as an index.

    The tier is that of a client who has completed a booking; without one it is always PROSPECT.
    """

    score: int
    tier: int


class Windows(NamedTuple):
    """Where the windows that end on one day begin: ordinals of the first days that count."""

    recency: tuple[int, ...]
    frequency: int
    monetary: int


@dataclass(frozen=True, slots=True)
class Tier:
    """A level that a client can be on: its key, and its labels by language (C-21)."""

    key: str
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of one dimension, low to high; rung 0 lies below the lowest and earns nothing.

    `points` are 0 to 100 (C-22). `earned` is what each rung adds to the score, in hundredths:
    the weight is a percentage, so weight times points needs no rounding (C-02).
    """

    name: str
    input: str
    weight: int
    points: tuple[int, ...]
    lines: tuple[str, ...]
    earned: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "earned", tuple(self.weight * points for points in self.points))


@dataclass(frozen=True, slots=True)
class Recency:
    """R: how lately the last completed booking was (S2-06); `periods` from longest to shortest."""

    ladder: Ladder
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Windowed:
    """F or M: a sum over a window that ends today (S2-07, S2-08); `cuts` ascend.

    `bounds` are the least sum of each rung, and the least that is beyond it.
    """

    ladder: Ladder
    window: Period
    cuts: tuple[int, ...]
    bounds: tuple[tuple[float, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", tuple(pairwise((-inf, *self.cuts, inf))))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One immutable version of the rules, total by construction (S2-10..S2-14, C-07).

    `tiers` run from low to high. The first two are fixed: `prospect` never completed a booking,
    `iron` did, but not within the longest recency period. All others have a band of the score:
    `bands[i]` is the least score, in hundredths, of `tiers[i + 2]`; half-open, from 0 up (C-02).
    `score_table` has the entry of every combination of rungs. `drops_at` has, for every combination
    with a rung of recency, the rung of recency on which the tier is first lost if the other rungs
    stay as they are.
    Build one with `rulebook_source.parse_rulebook`, which checks it.
    """

    key: str
    version: int
    tiers: tuple[Tier, ...]
    recency: Recency
    frequency: Windowed
    monetary: Windowed
    bands: tuple[int, ...]
    ladders: tuple[Ladder, Ladder, Ladder] = field(init=False, repr=False, compare=False)
    score_table: Mapping[Rungs, TableEntry] = field(init=False, repr=False, compare=False)
    drops_at: Mapping[Rungs, int] = field(init=False, repr=False, compare=False)
    _windows: dict[int, Windows] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        ladders = (self.recency.ladder, self.frequency.ladder, self.monetary.ladder)
        object.__setattr__(self, "ladders", ladders)
        recency, frequency, monetary = (range(len(ladder.earned)) for ladder in ladders)
        places = list(product(recency, frequency, monetary))
        score_table = {rungs: self._table_entry(rungs) for rungs in places}
        object.__setattr__(self, "score_table", score_table)
        drops_at = {rungs: self._drops_at(rungs) for rungs in places if rungs[0]}
        object.__setattr__(self, "drops_at", drops_at)

    def score(self, rungs: Rungs) -> int:
        """The score of those rungs, in hundredths of a point: 0 to 10,000."""
        recency, frequency, monetary = self.ladders
        return recency.earned[rungs[0]] + frequency.earned[rungs[1]] + monetary.earned[rungs[2]]

    def windows(self, today: int) -> Windows:
        """The windows that end on the day with that ordinal; remembered, as all clients share
        them."""
        windows = self._windows.get(today)
        if windows is None:
            windows = self._windows[today] = self._windows_of(date.fromordinal(today))
        return windows

    def band_tier(self, score: int) -> int:
        """The tier, as an index into `tiers`, of a client who bought within the window."""
        return IRON + bisect_right(self.bands, score)

    def tier_named(self, key: str) -> int:
        """The index of the tier with that key; ValueError when there is none."""
        for index, tier in enumerate(self.tiers):
            if tier.key == key:
                return index
        raise ValueError(f"rulebook {self.key!r} has no tier {key!r}")

    def _table_entry(self, rungs: Rungs) -> TableEntry:
        score = self.score(rungs)
        return TableEntry(score, self.band_tier(score) if rungs[0] else IRON)

    def _drops_at(self, rungs: Rungs) -> int:
        recency, frequency, monetary = rungs
        tier = self.score_table[rungs].tier
        return next(
            rung
            for rung in range(recency - 1, -1, -1)
            if self.score_table[rung, frequency, monetary].tier != tier
        )

    def _windows_of(self, day: date) -> Windows:
        return Windows(
            tuple(first_day_counted(day, period).toordinal() for period in self.recency.periods),
            first_day_counted(day, self.frequency.window).toordinal(),
            first_day_counted(day, self.monetary.window).toordinal(),
        )
