"""Cells written out, by lists or wildcards: each combination must be in exactly one."""

from collections.abc import Mapping

from scoring_service.domain.kernel.decisions.conditions import (
    LadderRungs,
    in_words,
    parse_condition,
)
from scoring_service.domain.kernel.decisions.decision import (
    Decided,
    TierKeys,
    combinations,
    parse_tier,
)
from scoring_service.domain.kernel.source import Place


def decide(place: Place, ladders: LadderRungs, tiers: TierKeys) -> Decided:
    """Every combination by its cell; refuses cells that leave one out or hold one twice (C-01)."""
    fields = place.fields(("by", "of", "cells"))
    _all_named(fields["of"], ladders)
    written = fields["cells"].items()
    cells = []
    for each in written:
        cell = each.fields(("tier", "when", "source"))
        cell["source"].text()
        cells.append((parse_condition(cell["when"], ladders), parse_tier(cell["tier"], tiers)))
    decided = []
    for rungs in combinations(ladders):
        fitting = [number for number, (condition, _) in enumerate(cells) if condition.fits(rungs)]
        if not fitting:
            raise fields["cells"].refused(f"no cell has {in_words(ladders, rungs)}: add it to one")
        if len(fitting) > 1:
            raise written[fitting[1]].refused(
                f"has {in_words(ladders, rungs)}, which is in {written[fitting[0]].path} already"
            )
        decided.append(cells[fitting[0]][1])
    return Decided(decided)


def _all_named(place: Place, ladders: Mapping[str, object]) -> None:
    named = {each.word(tuple(ladders)) for each in place.items()}
    for name in ladders:
        if name not in named:
            raise place.refused(f"leaves the ladder {name!r} out: name it, or take it away")
