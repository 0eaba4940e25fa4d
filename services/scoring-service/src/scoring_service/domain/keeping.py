"""Clients keep their tiers while a source of their practice is silent, or is imported (ADR 53).

Time goes on for them, but lowers nobody: a client who would fall at a midnight stands on the day
before it. What comes meanwhile counts at once, by the windows of that day. When the hold ends, what
was kept takes effect on that day, in one change; `due_on` is the midnight that was missed.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from scoring_service.domain.assess import Step, first_change, standing_at
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.periods import local_day, midnight
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Rulebook

_ONE_DAY = timedelta(days=1)


class Standing(NamedTuple):
    """How a client stands at a position: on the day `today`, by the facts up to `counted_to`."""

    result: RuleResult
    today: int
    counted_to: int


class Release(NamedTuple):
    """When what a client has kept takes effect, how it stands then, and the day on which it would
    have come to that, None where that is no earlier one."""

    at: datetime
    standing: Standing
    due_on: date | None


def is_kept(state: ClientState) -> bool:
    """Whether the client keeps a tier that it would have lost by now."""
    return state.held_at is not None and state.held_at == state.review_at


def loses(state: ClientState, step: Step) -> bool:
    """Whether time alone would lower the client's tier by this step, and must not at present."""
    return (
        state.kept_since is not None
        and state.tier is not None
        and step.counted_to != step.day
        and step.after < state.tier
        and midnight(date.fromordinal(step.day), state.zone) >= state.kept_since
    )


def keep(state: ClientState, lost_on: date) -> None:
    """Leave the client on the day before `lost_on`, which would lower its tier, and out of the due
    ones; it comes back when its practice is released."""
    state.assessed_on = lost_on - _ONE_DAY
    state.review_at = state.held_at = midnight(lost_on, state.zone)
    state.reviewed, state.standing = True, None


def assess_on(state: ClientState, rulebook: Rulebook, day: date) -> Standing:
    """Bring a client to `day`, and give its standing there. One that keeps a tier stays where it
    is, unless the facts that have come hold as high a tier without that."""
    now = day.toordinal()
    result = standing_at(state.digest, rulebook, now, now)
    if is_kept(state) and state.assessed_on is not None and state.assessed_on < day:
        today = state.assessed_on.toordinal()
        kept = standing_at(state.digest, rulebook, today, now)
        if kept.tier > result.tier:
            keep(state, state.assessed_on + _ONE_DAY)
            return Standing(kept, today, now)
        state.held_at, state.reviewed = None, False
    state.assessed_on, state.standing = day, result
    return Standing(result, now, now)


def release(state: ClientState, rulebook: Rulebook, at: datetime) -> Release:
    """Bring a client who keeps a tier to the day of `at`, when its practice was released, or to the
    day after that on which it stands, if that is later."""
    stood_on = state.assessed_on
    if stood_on is None:
        raise ValueError(f"client {state.client_id} was never assessed")
    at = max(at, midnight(stood_on + _ONE_DAY, state.zone))
    day = local_day(at, state.zone)
    missed = midnight(_last_change(state, rulebook, stood_on, day), state.zone)
    due_on = local_day(missed, state.zone) if missed < at else None
    state.held_at = None
    return Release(at, assess_on(state, rulebook, day), due_on)


def _last_change(state: ClientState, rulebook: Rulebook, stood_on: date, day: date) -> date:
    """The last day up to `day` on which the client's tier would have changed; the first that was
    missed where there is none."""
    today = counted_to = stood_on.toordinal()
    found = today + 1
    while step := first_change(state.digest, rulebook, state.zone, today, counted_to):
        if step.day > day.toordinal():
            break
        found = today = step.day
        counted_to = step.counted_to
    return date.fromordinal(found)
