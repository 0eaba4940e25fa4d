"""The one question that the product answers: which tier, why, and until when (F19, F21).

Live folding, the sweep, the API and every recompute ask the functions of this room. Inside, days
are proleptic ordinals; `counted_to` is the last day whose facts count, which is the day of the
question itself, or the day before it while the walk has not yet let the day's own facts in.
"""

from bisect import bisect_left, bisect_right
from datetime import date, datetime
from operator import itemgetter
from typing import Literal, NamedTuple

from scoring_service.domain.digest import Digest
from scoring_service.domain.expiries import (
    FREQUENCY,
    RECENCY,
    DayAndCutoff,
    Expiry,
    frequency_expiries,
    monetary_expiries,
    recency_expiries,
)
from scoring_service.domain.explain import Because, Line, because, explain
from scoring_service.domain.periods import midnight, skipped_days
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import PROSPECT, Rulebook, Rungs

Direction = Literal["entered", "upgraded", "downgraded", "left"]


class NextTransition(NamedTuple):
    """What happens at the first instant of the local day `on` if nothing else does (F21)."""

    on: date
    at: datetime
    from_tier: str
    to_tier: str
    direction: Direction
    because: Because
    assumes: Literal["no_activity"]
    rulebook_version: int


class Assessment(NamedTuple):
    """The whole answer for one client on one local day; `score` is in hundredths of a point."""

    tier: str
    score: int
    explanation: tuple[Line, ...]
    next_transition: NextTransition | None


class Step(NamedTuple):
    """A change of tier on the way through time; tiers are indices into the rulebook's.

    `counted_to == day` when the day's own facts, known beforehand, made the change; it is the day
    before when time alone did. `rungs` are those right before the change and right after it.
    """

    day: int
    counted_to: int
    before: int
    after: int
    rungs: tuple[Rungs, Rungs]


def assess(
    digest: Digest, rulebook: Rulebook, on_day: date, zone: str, counted_to: date | None = None
) -> Assessment:
    """Tier, score, explanation and next transition on a practice-local day; pure.

    Facts of days after `on_day` never count, but those up to `counted_to` where that is given, for
    a client that keeps a tier (`keeping.py`). UnknownZone.
    """
    today = on_day.toordinal()
    until = today if counted_to is None else counted_to.toordinal()
    now = standing_at(digest, rulebook, today, until)
    return Assessment(
        tier=rulebook.tiers[now.tier].key,
        score=now.score,
        explanation=explain(digest, rulebook, now, today, until),
        next_transition=next_transition(digest, rulebook, on_day, zone),
    )


def standing(digest: Digest, rulebook: Rulebook, on_day: date) -> RuleResult:
    """The part of the answer that every fact needs: tier and score, and what they rest on."""
    today = on_day.toordinal()
    return standing_at(digest, rulebook, today, today)


def standing_at(digest: Digest, rulebook: Rulebook, today: int, counted_to: int) -> RuleResult:
    """How a client stands on day `today` by the facts up to day `counted_to`.

    R and F count completed bookings, M is settled less refunded, each within its window (S2-06 to
    S2-08); a day with a net of nothing or less is no sign of life (C-15).
    """
    recency_starts, frequency_start, monetary_start = rulebook.windows(today)
    days = digest.days
    end = bisect_right(days, counted_to)
    first = bisect_left(days, frequency_start, 0, end)
    completed = sum(digest.completed[first:end])
    if monetary_start != frequency_start:
        first = bisect_left(days, monetary_start, 0, end)
    amount = sum(digest.settled[first:end]) - sum(digest.refunded[first:end])
    last = digest.last_completed(counted_to)
    rungs = (
        bisect_right(recency_starts, last),
        bisect_right(rulebook.frequency.cuts, completed),
        bisect_right(rulebook.monetary.cuts, amount),
    )
    score, tier = rulebook.score_table[rungs]
    return RuleResult(tier if last else PROSPECT, score, last, completed, amount, rungs)


def next_transition(
    digest: Digest, rulebook: Rulebook, on_day: date, zone: str
) -> NextTransition | None:
    """The first change of tier after `on_day` that needs nobody to do anything, or None.

    Exact: between two breakpoints nothing can change. UnknownZone.
    """
    today = on_day.toordinal()
    return announced(first_change(digest, rulebook, zone, today, today), rulebook, zone)


def announced(step: Step | None, rulebook: Rulebook, zone: str) -> NextTransition | None:
    """A change to come, in the words of the answer."""
    if step is None:
        return None
    on = date.fromordinal(step.day)
    return NextTransition(
        on=on,
        at=midnight(on, zone),
        from_tier=rulebook.tiers[step.before].key,
        to_tier=rulebook.tiers[step.after].key,
        direction=direction(step.before, step.after),
        because=because(rulebook, *step.rungs),
        assumes="no_activity",
        rulebook_version=rulebook.version,
    )


def direction(before: int | None, after: int) -> Direction:
    """The word for a move between two tiers, given as indices; None is no tier yet."""
    if before is None:
        return "entered"
    return "upgraded" if after > before else "downgraded"


def first_change(
    digest: Digest,
    rulebook: Rulebook,
    zone: str,
    today: int,
    counted_to: int,
    known: RuleResult | None = None,
) -> Step | None:
    """The first change of tier after the position (`today`, `counted_to`), or None.

    `known` is the standing at that position, if the caller has it. A day whose facts are known
    already is asked twice: first without them, as time alone would have it, then with them, so
    that a change by time and a change by a fact of the same day stay two changes.
    """
    while True:
        before = known or standing_at(digest, rulebook, today, counted_to)
        step = _first_loss(digest, rulebook, zone, before, (today, counted_to))
        place = bisect_right(digest.days, counted_to)
        if place == len(digest.days):
            return step
        coming = digest.days[place]
        if step is not None and step.day <= coming:
            return step
        without = standing_at(digest, rulebook, coming, coming - 1)
        having = standing_at(digest, rulebook, coming, coming)
        if having.tier != without.tier:
            rungs = without.rungs, having.rungs
            return Step(coming, coming, without.tier, having.tier, rungs)
        today = counted_to = coming
        known = having


def _first_loss(
    digest: Digest, rulebook: Rulebook, zone: str, before: RuleResult, position: DayAndCutoff
) -> Step | None:
    """The first change that time alone makes, by the facts counted so far.

    Nobody below the longest recency period can be moved by time. Growing old costs the tier in the
    end (C-07), so what leaves a window after that day need not be looked at; unless a net of less
    than nothing, on leaving, has lifted the client over that day.
    """
    if not before.rungs[RECENCY]:
        return None
    dropped = rulebook.drops_at[before.rungs]
    old = rulebook.recency.periods[dropped].expiry(before.last)
    skipped = skipped_days(zone)
    if not skipped:
        expiries = [
            *frequency_expiries(digest, rulebook, before, position, old),
            *monetary_expiries(digest, rulebook, before, position, old),
        ]
        if not expiries:
            _, frequency, monetary = before.rungs
            rungs = (dropped + 1, frequency, monetary), (dropped, frequency, monetary)
            return Step(old, old - 1, before.tier, rulebook.score_table[rungs[1]].tier, rungs)
        expiries += (expiry for expiry in recency_expiries(rulebook, before) if expiry[0] <= old)
        step = _first_of(expiries, rulebook, before)
        if step is not None:
            return step
    expiries = [
        *recency_expiries(rulebook, before),
        *frequency_expiries(digest, rulebook, before, position),
        *monetary_expiries(digest, rulebook, before, position),
    ]
    if skipped:
        expiries = [(day + (day in skipped), ladder, rung) for day, ladder, rung in expiries]
    return _first_of(expiries, rulebook, before)


def _first_of(expiries: list[Expiry], rulebook: Rulebook, before: RuleResult) -> Step | None:
    """The first day whose expiries, all together, change the tier."""
    expiries.sort(key=itemgetter(0))  # by day alone: within a day and ladder the last expiry holds
    score_table, on = rulebook.score_table, 0
    then = now = before.rungs
    for day, ladder, rung in expiries:
        if day != on:
            if score_table[now].tier != before.tier:
                break
            on, then = day, now
        recency, frequency, monetary = now
        if ladder == RECENCY:
            now = rung, frequency, monetary
        elif ladder == FREQUENCY:
            now = recency, rung, monetary
        else:
            now = recency, frequency, rung
    tier = score_table[now].tier
    return None if tier == before.tier else Step(on, on - 1, before.tier, tier, (then, now))
