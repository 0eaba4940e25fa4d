"""The whole answer for one client, scheme and day: tier, score, why, until when, and what next."""

from typing import NamedTuple

from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.moments import day_of
from scoring_service.domain.kernel.scheme import Scheme
from scoring_service.domain.kernel.timeline import Standing, Step, next_transition, stand
from scoring_service.domain.kernel.window import NEVER


class Line(NamedTuple):
    """How one ladder stands: its measure's value (None: not known), its rung, what that earns (None
    where the scheme has no points), and the last day on which it does if nothing happens (None: for
    good). Days are proleptic ordinals."""

    ladder: str
    rung: str
    value: int | str | None
    points: int | None
    until: int | None


class WayUp(NamedTuple):
    """A ladder that alone leads to a better tier, the least rung of it that does, and the tier."""

    ladder: str
    rung: str
    tier: str


class Assessment(NamedTuple):
    """The answer (F19, F21); `score` is in hundredths, None where the scheme has none."""

    tier: str
    score: int | None
    explanation: tuple[Line, ...]
    ways_up: tuple[WayUp, ...]
    next_transition: Step | None


def assess(
    scheme: Scheme, facts: Facts, on_day: int, skipped: frozenset[int] = frozenset()
) -> Assessment:
    """How a client stands on a practice-local day, by the facts up to its end."""
    now = stand(scheme, facts, on_day, on_day)
    return Assessment(
        tier=scheme.tiers[now.tier].key,
        score=now.score,
        explanation=explain(scheme, facts, now),
        ways_up=ways_up(scheme, now),
        next_transition=next_transition(scheme, facts, now, skipped),
    )


def explain(scheme: Scheme, facts: Facts, now: Standing) -> tuple[Line, ...]:
    """A line for each ladder (F19)."""
    lines = []
    for ladder, reading, earned in zip(scheme.ladders, now.readings, scheme.earned, strict=True):
        rung, value, _ = reading
        falls = ladder.measure.falls(facts, now.today, now.counted_to, reading, NEVER)
        fall = next(iter(falls), None)
        lines.append(
            Line(
                ladder=ladder.name,
                rung=ladder.rungs[rung].key,
                value=value,
                points=earned[rung] if earned else None,
                until=None if fall is None else day_of(fall[0]) - 1,
            )
        )
    return tuple(lines)


def ways_up(scheme: Scheme, now: Standing) -> tuple[WayUp, ...]:
    """What is missing for a better tier, ladder by ladder; nothing in a scheme without an order."""
    if not scheme.ordered:
        return ()
    ways = []
    for ladder, reading, stride in zip(scheme.ladders, now.readings, scheme.strides, strict=True):
        held = reading[0]
        for rung in range(held + 1, len(ladder.rungs)):
            tier = scheme.tier_table[now.cell + (rung - held) * stride]
            if tier > now.tier:
                ways.append(WayUp(ladder.name, ladder.rungs[rung].key, scheme.tiers[tier].key))
                break
    return tuple(ways)
