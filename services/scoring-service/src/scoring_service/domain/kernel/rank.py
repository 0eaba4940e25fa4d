"""Tiers by rank: what share of its practice's clients a client is among (ADR 61).

Cut-offs are dated. `cut_offs` works out a version of one midnight from everybody's measure; with it
a rank scheme is an ordinary scheme of that day, so that standing, falls, forecasts and explanations
are those of `timeline` and `assessment`: they hold the cut-offs constant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.ladders import Ladder, Rung
from scoring_service.domain.kernel.measures.measure import Measure
from scoring_service.domain.kernel.moments import counted_to, day_of
from scoring_service.domain.kernel.scheme import Scheme, Tier, strides_of
from scoring_service.domain.kernel.timeline import Direction

OUTSIDE: Final = Tier("outside", {"en": "Outside the ranking", "zh": "不参与排名"}, "reserved")
"""Where a client stands who is not in the population (C-09)."""
UNRANKED: Final = Tier("unranked", {"en": "Not ranked yet", "zh": "暂未排名"}, "reserved")
"""Where everybody stands while too few clients can be ranked (C-08)."""
_RESERVED: Final = frozenset({OUTSIDE.key, UNRANKED.key})
_LEAST_VALUE: Final = 1
"""A measure of nothing or less stands on the lowest tier, however few have more."""


class Population(NamedTuple):
    """Who is ranked: those who stand on one of these rungs of the ladder."""

    ladder: Ladder
    rungs: frozenset[int]


@dataclass(frozen=True, slots=True)
class RankScheme:
    """One immutable version of a grading by rank.

    `tiers` run from low to high and `percents` are their shares of the population, 100 together.
    `measure` builds the measure that is ranked, by its cuts, `uncut` has none; `ladder` is its
    name. `population` None is everybody. Below `least` clients with a measure above 0 nobody is
    ranked, and outreach goes by the scheme `fallback`. `band_percent` is how much wider than its
    share the part is in which a client keeps a tier. Build one with `rank_documents.compile_rank`,
    which checks it.
    """

    key: str
    version: int
    names: dict[str, str]
    currency: str | None
    tiers: tuple[Tier, ...]
    percents: tuple[int, ...]
    ladder: str
    measure: Callable[[NumberCuts], Measure]
    uncut: Measure
    population: Population | None
    least: int
    fallback: str
    band_percent: int

    def tier_keys(self) -> tuple[str, ...]:
        """The keys of the tiers, low to high."""
        return tuple(tier.key for tier in self.tiers)


class Member(NamedTuple):
    """A client of the population at the midnight that is ranked: the measure (None: not known), and
    the tier held at that midnight as an index, None for one of the reserved standings."""

    client: str
    value: int | None
    held: int | None


@dataclass(frozen=True, slots=True)
class CutOffs:
    """A version: for each tier above the lowest, low to high, the measure from which a client
    enters it, and the one down to which a client stays who holds it or a better one.

    `held` has those who are between the two of some tier, with the tier that they held, so that a
    version never hangs on an older one; everybody else stands by entry.
    """

    enter: tuple[int, ...]
    stay: tuple[int, ...]
    held: Mapping[str, int]


class Touched(NamedTuple):
    """Whose tier a new version may change: everybody, or whoever has a measure in one of these
    ranges (the first in it, the last not), and these clients."""

    everybody: bool
    ranges: tuple[tuple[int, int], ...]
    clients: frozenset[str]


class DatedRank:
    """A rank scheme with a version of its cut-offs (None: too few to rank) in effect."""

    def __init__(self, scheme: RankScheme, version: CutOffs | None) -> None:
        self._held: Mapping[str, int] = {} if version is None else version.held
        self._by_held = (
            (_unranked(scheme),)
            if version is None
            else tuple(_bound(scheme, version, held) for held in range(len(scheme.tiers)))
        )

    def of(self, client: str) -> Scheme:
        """The scheme by which this client stands under the version."""
        return self._by_held[self._held.get(client, 0)]


def member_of(
    scheme: RankScheme, client: str, facts: Facts, moment: int, held: int | None
) -> Member | None:
    """The client as one of the population at a moment, who held that tier; None if outside."""
    position = day_of(moment), counted_to(moment)
    population = scheme.population
    if population is not None:
        within = population.ladder.measure.read(facts, *position)[0]
        if within not in population.rungs:
            return None
    value = scheme.uncut.read(facts, *position)[1]
    return Member(client, value if isinstance(value, int) else None, held)


def cut_offs(scheme: RankScheme, members: Iterable[Member]) -> CutOffs | None:
    """The version of a midnight, whatever the order of the members; None if too few have a measure
    above 0. Ties share the better tier, and shares are rounded up (C-08)."""
    everybody = list(members)
    values = sorted((member.value or 0 for member in everybody), reverse=True)
    if sum(value > 0 for value in values) < scheme.least:
        return None
    enter = tuple(_cut(values, percent, 0) for percent in _or_better(scheme))
    stay = tuple(_cut(values, percent, scheme.band_percent) for percent in _or_better(scheme))
    held = {
        member.client: member.held
        for member in everybody
        if member.held and _is_between(member.value or 0, stay, enter)
    }
    return CutOffs(enter, stay, held)


def touched(old: CutOffs | None, new: CutOffs | None) -> Touched:
    """Whom to look at when `new` follows `old`: nobody else's tier can differ between them."""
    if old is None or new is None:
        return Touched(old is not new, (), frozenset())
    pairs = zip(old.enter, new.enter, strict=True)
    ranges = tuple((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])
    return Touched(
        everybody=False, ranges=ranges, clients=frozenset(old.held) | frozenset(new.held)
    )


def direction(scheme: RankScheme, before: str | None, after: str) -> Direction:
    """The word for a move between two standings, by key; reserved ones are neither up nor down."""
    if before is None:
        return "entered"
    if _RESERVED & {before, after}:
        return "moved"
    keys = scheme.tier_keys()
    return "upgraded" if keys.index(after) > keys.index(before) else "downgraded"


def _or_better(scheme: RankScheme) -> list[int]:
    """For each tier above the lowest the share of those who are on it or on a better one."""
    return [sum(scheme.percents[tier:]) for tier in range(1, len(scheme.tiers))]


def _cut(values: Sequence[int], percent: int, band_percent: int) -> int:
    """The measure of the last who is within the share, widened by the band; values descend."""
    within = -(-len(values) * percent * (100 + band_percent) // 10_000)
    return max(_LEAST_VALUE, values[min(within, len(values)) - 1])


def _is_between(value: int, stay: tuple[int, ...], enter: tuple[int, ...]) -> bool:
    return any(low <= value < high for low, high in zip(stay, enter, strict=True))


def _cuts(enter: tuple[int, ...], stay: tuple[int, ...], held: int) -> NumberCuts:
    """The cuts for who held this tier: the band below it and below all lower ones is open."""
    bounds = (*stay[:held], *enter[held:])
    return NumberCuts(bounds, tuple(range(len(bounds) + 1)), unknown=0)


def _bound(scheme: RankScheme, version: CutOffs, held: int) -> Scheme:
    """The scheme of the day for who held this tier."""
    rungs = tuple(Rung(tier.key, tier.names, tier.source) for tier in scheme.tiers)
    measure = scheme.measure(_cuts(version.enter, version.stay, held))
    ranked = Ladder(scheme.ladder, rungs, measure, is_money=scheme.currency is not None)
    population = scheme.population
    if population is None:
        return _scheme(scheme, scheme.tiers, (ranked,), range(len(rungs)))
    cells = product(range(len(population.ladder.rungs)), range(len(rungs)))
    table = [1 + tier if within in population.rungs else 0 for within, tier in cells]
    return _scheme(scheme, (OUTSIDE, *scheme.tiers), (population.ladder, ranked), table)


def _unranked(scheme: RankScheme) -> Scheme:
    return _scheme(scheme, (UNRANKED,), (), (0,))


def _scheme(
    scheme: RankScheme,
    tiers: tuple[Tier, ...],
    ladders: tuple[Ladder, ...],
    table: Iterable[int],
) -> Scheme:
    sizes = [len(ladder.rungs) for ladder in ladders]
    return Scheme(
        key=scheme.key,
        version=scheme.version,
        names=scheme.names,
        currency=scheme.currency,
        ordered=True,
        tiers=tiers,
        ladders=ladders,
        strides=strides_of(sizes) if sizes else (),
        tier_table=tuple(table),
        score_table=None,
        earned=tuple(() for _ in ladders),
    )
