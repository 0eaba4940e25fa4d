"""Rules in order: the first that fits decides, and the last catches the rest."""

from scoring_service.domain.kernel.decisions.conditions import (
    Condition,
    LadderRungs,
    always,
    parse_condition,
)
from scoring_service.domain.kernel.decisions.decision import (
    Decided,
    TierKeys,
    combinations,
    parse_tier,
)
from scoring_service.domain.kernel.source import Place

Rule = tuple[Condition, int]
"""A condition and the tier of those who meet it."""


def decide(place: Place, ladders: LadderRungs, tiers: TierKeys) -> Decided:
    """Every combination by the first rule that fits; refuses a rule that decides nothing (C-01)."""
    written = place.fields(("by", "rules"))["rules"].items()
    rules = [
        parse_rule(each, ladders, tiers, is_last=number == len(written))
        for number, each in enumerate(written, start=1)
    ]
    firsts = [first_that_fits(rules, rungs) for rungs in combinations(ladders)]
    refuse_idle(written, set(firsts))
    return Decided([rules[first][1] for first in firsts])


def parse_rule(
    place: Place, ladders: LadderRungs, tiers: TierKeys, *, is_last: bool = False
) -> Rule:
    """A rule; the last one has no condition."""
    if is_last:
        fields = place.fields(("tier", "source"), ("when",))
        if "when" in fields:
            raise fields["when"].refused("the last rule must catch the rest: leave `when` out")
        condition = always(ladders)
    else:
        fields = place.fields(("tier", "source", "when"))
        condition = parse_condition(fields["when"], ladders)
    fields["source"].text()
    return condition, parse_tier(fields["tier"], tiers)


def first_that_fits(rules: list[Rule], rungs: tuple[int, ...]) -> int:
    """The number of the first rule that fits, from 0; their number if none does."""
    fitting = (number for number, (condition, _) in enumerate(rules) if condition.fits(rungs))
    return next(fitting, len(rules))


def refuse_idle(written: list[Place], used: set[int]) -> None:
    """Refuses the first rule that decides no combination."""
    for number, each in enumerate(written):
        if number not in used:
            raise each.refused("decides nobody: the rules before it take every client that it fits")
