"""A scorecard: each rung earns points, each ladder has a weight, and the score lies in a band."""

from bisect import bisect_right
from typing import NamedTuple

from scoring_service.domain.kernel.decisions.conditions import LadderRungs, refuse_unknown
from scoring_service.domain.kernel.decisions.decision import (
    Decided,
    TierKeys,
    combinations,
    parse_tier,
)
from scoring_service.domain.kernel.decisions.rules import (
    first_that_fits,
    parse_rule,
    refuse_idle,
)
from scoring_service.domain.kernel.ladders import rung_keys
from scoring_service.domain.kernel.source import Place


class _Band(NamedTuple):
    """A range of scores: its least in hundredths, and its tier."""

    at_least: int
    tier: int


def decide(place: Place, ladders: LadderRungs, tiers: TierKeys) -> Decided:
    """Every combination by its score, in hundredths of a point: weight times points (C-02, C-22).

    Rules in `first` come before the bands. Refuses a rule that decides nobody.
    """
    fields = place.fields(("by", "weights", "points", "bands", "source"), ("first",))
    fields["source"].text()
    first = fields.get("first")
    written = [] if first is None else first.items()
    rules = [parse_rule(each, ladders, tiers) for each in written]
    weights = _weights(fields["weights"], ladders)
    points = _points(fields["points"], ladders, weights)
    bands = _bands(fields["bands"], tiers)
    bounds = [band.at_least for band in bands[1:]]
    decided, scores, used = [], [], set()
    for rungs in combinations(ladders):
        score = sum(
            weight * earned[rung]
            for weight, earned, rung in zip(weights, points, rungs, strict=True)
        )
        number = first_that_fits(rules, rungs)
        used.add(number)
        scores.append(score)
        by_score = bands[bisect_right(bounds, score)].tier
        decided.append(rules[number][1] if number < len(rules) else by_score)
    refuse_idle(written, used)
    return Decided(decided, scores, points)


def _weights(place: Place, ladders: LadderRungs) -> list[int]:
    """The weight of each ladder in percent, 0 for one that only `first` reads."""
    written = place.entries()
    refuse_unknown(written, ladders, "ladder")
    weights = [written[name].integer(1, 100) if name in written else 0 for name in ladders]
    if sum(weights) != 100:
        raise place.refused(f"must sum to 100, not {sum(weights)}")
    return weights


def _points(place: Place, ladders: LadderRungs, weights: list[int]) -> tuple[tuple[int, ...], ...]:
    """The points of every rung; one that is not named earns nothing."""
    written = place.entries()
    refuse_unknown(written, ladders, "ladder")
    points = []
    for (name, rungs), weight in zip(ladders.items(), weights, strict=True):
        if bool(weight) != (name in written):
            which = "has a weight and no points" if weight else "has points and no weight"
            raise place.refused(f"the ladder {name!r} {which}")
        earned = written[name].entries() if name in written else {}
        keys = rung_keys(rungs)
        refuse_unknown(earned, keys, "rung")
        points.append(tuple(earned[key].integer(1, 100) if key in earned else 0 for key in keys))
    return tuple(points)


def _bands(place: Place, tiers: TierKeys) -> list[_Band]:
    """The bands, low to high; the lowest one begins at 0."""
    bands: list[_Band] = []
    for number, each in enumerate(place.items()):
        required = ("tier", "source", *(("at_least",) if number else ()))
        fields = each.fields(required)
        fields["source"].text()
        band = _Band(
            fields["at_least"].hundredths() if number else 0, parse_tier(fields["tier"], tiers)
        )
        if bands and band.at_least <= bands[-1].at_least:
            raise fields["at_least"].refused("must lie above the band before it")
        if bands and band.tier <= bands[-1].tier:
            raise fields["tier"].refused("must be a better tier than that of the band before it")
        bands.append(band)
    return bands
