"""Why a client has a tier: each line of the rulebook, what it earned, and until when (F19)."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from scoring_service.domain.digest import Digest
from scoring_service.domain.expiries import (
    RECENCY,
    Expiry,
    frequency_expiries,
    monetary_expiries,
    recency_expiries,
)
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Ladder, Rulebook, Rungs


class Line(NamedTuple):
    """One line of an explanation.

    `line` names the rung of the rulebook. `input` is the input of its ladder and `value` the value
    of that input: a date, a count or minor units. `points` are 0 to 100, before the weight. `until`
    is the last local day on which the line still earns these points without activity; None when it
    does so for ever.
    """

    line: str
    input: str
    value: str
    points: int
    until: date | None


class Because(NamedTuple):
    """Which line of the rulebook, over which input, is the cause of a transition."""

    line: str
    input: str


def explain(
    digest: Digest, rulebook: Rulebook, now: RuleResult, today: int, counted_to: int
) -> tuple[Line, ...]:
    """The three dimensions as they stand, then the ways up, where one step is enough.

    `now` must be the rules' result on the day `today` by the facts of `digest` up to the day
    `counted_to` (ordinals); later facts are no part of an explanation. The lines for a way up
    begin with `next_tier.`, their value is what is missing: "+2" bookings completed today, or
    "+5000" minor units.
    """
    last = date.fromordinal(now.last).isoformat() if now.last else "never"
    values = (last, str(now.completed), str(now.amount_minor))
    expiries_by_ladder = (
        recency_expiries(rulebook, now),
        frequency_expiries(digest, rulebook, now, (today, counted_to)),
        monetary_expiries(digest, rulebook, now, (today, counted_to)),
    )
    lines = [
        Line(ladder.lines[rung], ladder.input, value, ladder.points[rung], _until(rung, expiries))
        for ladder, rung, value, expiries in zip(
            rulebook.ladders, now.rungs, values, expiries_by_ladder, strict=True
        )
    ]
    return (*lines, *_ways_up(rulebook, now))


def because(rulebook: Rulebook, before: Rungs, after: Rungs) -> Because:
    """The dimension that moved the score the most in the direction of the change.

    A client that leaves the longest recency period, or enters it, does so by recency (C-07). A
    loss is named by the rung that was lost, a gain by the rung that was gained.
    """
    then, now = before[RECENCY], after[RECENCY]
    if not (then and now):
        ladder = rulebook.ladders[RECENCY]
        return Because(ladder.lines[max(then, now)], ladder.input)
    gains = [
        ladder.earned[now] - ladder.earned[then]
        for ladder, then, now in zip(rulebook.ladders, before, after, strict=True)
    ]
    decisive, rungs = (max(gains), after) if sum(gains) > 0 else (min(gains), before)
    place = gains.index(decisive)
    ladder = rulebook.ladders[place]
    return Because(ladder.lines[rungs[place]], ladder.input)


def score_decimal(score: int) -> Decimal:
    """A score in hundredths as the exact decimal with two places that goes on the wire (C-02)."""
    return Decimal(score).scaleb(-2)


def _until(rung: int, expiries: Iterator[Expiry]) -> date | None:
    """The day before the first on which the ladder ends up on another rung."""
    ends, held = 0, rung
    for day, _, left in expiries:
        if day != ends and held != rung:
            break
        ends, held = day, left
    return None if held == rung else date.fromordinal(ends - 1)


def _ways_up(rulebook: Rulebook, now: RuleResult) -> list[Line]:
    """The least bookings completed today, and the least money, that alone would raise the tier."""
    recency, held, paid = now.rungs
    newest = len(rulebook.recency.periods)
    score_table, ways = rulebook.score_table, []
    cuts = rulebook.frequency.cuts
    for rung in range(bisect_right(cuts, now.completed + 1), len(cuts) + 1):
        reached = score_table[newest, rung, paid].tier
        if reached > now.tier:
            more = max(1, cuts[rung - 1] - now.completed) if rung else 1
            ways.append(_way_up(rulebook, reached, rulebook.frequency.ladder, rung, more))
            break
    if not recency:
        return ways  # money alone brings nobody back (C-07)
    cuts = rulebook.monetary.cuts
    for rung in range(paid + 1, len(cuts) + 1):
        reached = score_table[recency, held, rung].tier
        if reached > now.tier:
            missing = cuts[rung - 1] - now.amount_minor
            ways.append(_way_up(rulebook, reached, rulebook.monetary.ladder, rung, missing))
            break
    return ways


def _way_up(rulebook: Rulebook, reached: int, ladder: Ladder, rung: int, missing: int) -> Line:
    line = f"next_tier.{rulebook.tiers[reached].key}"
    return Line(line, ladder.input, f"+{missing}", ladder.points[rung], None)
