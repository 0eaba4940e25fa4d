"""How a client moves: by time, midnight after midnight, and by facts, each in its turn.

The order is the law (ADR 3): a client whom a record touches is first brought to the
batch's day (`catch_up`), then each fact is folded and assessed (`fold`), and once a batch the
client is asked when something must next be said (`review`). So the changes depend on the log
alone, never on where its batches end or how late a sweep comes.
"""

from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from scoring_service.domain.assess import (
    Direction,
    NextTransition,
    Step,
    announced,
    direction,
    first_change,
    standing_at,
)
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.explain import Line, explain
from scoring_service.domain.facts import Fact, FactRefused, Numbered, Opening, Skipped
from scoring_service.domain.periods import is_zone, midnight
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Rulebook

Reason = Literal["activity", "elapsed_time", "correction"]
Origin = Literal["live", "backfill"]

BACKFILL_AFTER = timedelta(days=7)


class Change(NamedTuple):
    """A client's move to another tier; `version` is gapless from 1 for each client.

    `score` is in hundredths. `effective_at` is exact in time; `happened_at` and `activity_id` are
    those of the causing fact, None for a change by time or by a fact that had been known before
    its day. `on_day` and `explanation` are of the moment of the change, later facts left out.
    """

    version: int
    from_tier: str | None
    to_tier: str
    direction: Direction
    reason: Reason
    origin: Origin
    effective_at: datetime
    happened_at: datetime | None
    activity_id: str | None
    score: int
    on_day: date
    explanation: tuple[Line, ...]


class _Cause(NamedTuple):
    """What brings a change about, as the history will tell it."""

    reason: Reason
    origin: Origin
    effective_at: datetime
    happened_at: datetime | None = None
    activity_id: str | None = None


def catch_up(
    state: ClientState, rulebook: Rulebook, *, first_day: date, to_day: date
) -> list[Change]:
    """Bring a client to the day `to_day`, in order: the first assessment if it is due, then time.

    `first_day` is the local day of the partition's first watermark. A client without any fact is
    left alone: its first fact will assess it.
    """
    changes = []
    if state.assessed_on is None and state.last_sequence:
        changes.append(first_assessment(state, rulebook, first_day))
    return changes + walk(state, rulebook, to_day)


def walk(state: ClientState, rulebook: Rulebook, to_day: date) -> list[Change]:
    """Let time pass for a client, through every breakpoint after `assessed_on` up to `to_day`.

    Any number of steps gives the same changes. Changes by time take effect at the midnight of
    their day. A day whose facts were known beforehand is assessed first without them
    (elapsed_time), then with them (activity). Does nothing for a client never assessed, or one
    assessed on that day or later.
    """
    if state.assessed_on is None or state.assessed_on >= to_day:
        return []
    today, end = state.assessed_on.toordinal(), to_day.toordinal()
    changes: list[Change] = []
    if not state.reviewed or _due(state, to_day):
        state.reviewed, counted_to = False, today
        while step := first_change(state.digest, rulebook, state.zone, today, counted_to):
            if step.day > end:
                break
            today, counted_to = step.day, step.counted_to
            cause = _passing(state, date.fromordinal(today), arrived=counted_to == today)
            after = standing_at(state.digest, rulebook, today, counted_to)
            changes.append(_change(state, rulebook, after, (today, counted_to), cause))
    state.assessed_on = to_day
    state.standing = standing_at(state.digest, rulebook, end, end)
    state.score = state.standing.score
    return changes


def fold(
    state: ClientState, fact: Fact, rulebook: Rulebook, business_day: date | None
) -> Change | None:
    """Fold one fact and assess the client; the change of tier, if it made one.

    `business_day` is the batch's day in the fact's zone, None before the partition's first
    watermark: then nothing is assessed. The client must have been brought to that day before
    (`catch_up`), ValueError otherwise. A duplicate does nothing. FactRefused for a fact of another
    zone or generation (a new zone opens a new generation), or of a zone that this version does not
    know. The client then says that it is incomplete: for another zone its sequence is missing until
    somebody puts it right.
    """
    _refuse_other_generation(state, fact)
    if fact.zone != state.zone or not is_zone(fact.zone):
        state.miss(fact.sequence, fact.incarnation)
        raise _wrong_zone(state, fact)
    if not state.accepts(fact.sequence, fact.incarnation):
        return None
    changed = state.digest.add(fact.kind, fact.on, fact.count, fact.amount_minor)
    if changed:
        state.reviewed = state.reviewed and _only_puts_off(state, fact)
        state.standing = None
    elif state.tier is not None:
        return None
    if business_day is None:
        return None
    return _assess_fact(state, fact, rulebook, business_day)


def skip(state: ClientState, skipped: Skipped) -> None:
    """Take note of a record that says nothing that scoring knows. FactRefused, as in `fold`, for
    one of another generation: what it says may be that a new one begins."""
    _refuse_other_generation(state, skipped)
    if state.accepts(skipped.sequence, skipped.incarnation):
        state.skip(skipped.sequence)


def open_generation(state: ClientState, opening: Opening) -> FactRefused:
    """Take note that another generation begins, which scoring cannot follow yet; why not."""
    if opening.generation > state.generation:
        state.skip(state.last_sequence + 1)
    return FactRefused(
        "generation", f"{opening.generation} begins where {state.generation} is current"
    )


def first_assessment(state: ClientState, rulebook: Rulebook, day: date) -> Change:
    """The one assessment of a client whose facts came before the partition's first watermark.

    Of origin backfill, so that it triggers nothing; in effect from the midnight of `day`, the
    local day of that watermark. ValueError if it is not the first.
    """
    if state.tier is not None:
        raise ValueError(f"client {state.client_id} has been assessed before")
    today = day.toordinal()
    state.assessed_on = day
    cause = _Cause("activity", "backfill", midnight(day, state.zone))
    after = standing_at(state.digest, rulebook, today, today)
    return _change(state, rulebook, after, (today, today), cause)


def review(state: ClientState, rulebook: Rulebook) -> NextTransition | None:
    """Settle `review_at` from the digest as it is now; the transition that it announces, if any.

    Once a batch for each client whose state is not `reviewed` any more; before the first
    assessment there is nothing to announce.
    """
    return announced(remind(state, rulebook), rulebook, state.zone)


def remind(state: ClientState, rulebook: Rulebook) -> Step | None:
    """Settle `review_at` as `review` does, where nobody asks for the announcement."""
    if state.assessed_on is None:
        return None
    today = state.assessed_on.toordinal()
    step = first_change(state.digest, rulebook, state.zone, today, today, state.standing)
    on = None if step is None else date.fromordinal(step.day)
    state.review_at = None if on is None else midnight(on, state.zone)
    state.reviewed = True
    return step


def _due(state: ClientState, to_day: date) -> bool:
    return state.review_at is not None and state.review_at <= midnight(to_day, state.zone)


def _only_puts_off(state: ClientState, fact: Fact) -> bool:
    """Whether a fact that was folded, and leaves the tier, cannot bring the next change forward.

    More of what counts holds a tier for as long or longer; and time lifts nobody whose days have
    all come and who has no day on which more was taken back than given.
    """
    digest, today = state.digest, state.assessed_on
    if fact.kind == "completed":
        gains = fact.count >= 0
    else:
        gains = fact.kind == "settled" and fact.amount_minor >= 0
    return (
        gains
        and today is not None
        and digest.days[-1:] <= [today.toordinal()]
        and not any(digest.refunded)
        and min(digest.completed, default=0) >= 0
        and min(digest.settled, default=0) >= 0
    )


def _refuse_other_generation(state: ClientState, record: Numbered) -> None:
    if record.generation != state.generation:
        if record.generation > state.generation:
            state.skip(state.last_sequence + 1)
        raise FactRefused("generation", f"{record.generation} where {state.generation} is current")


def _wrong_zone(state: ClientState, fact: Fact) -> FactRefused:
    if is_zone(fact.zone):
        reason = f"{fact.zone} where generation {state.generation} has another"
    else:
        reason = "is a zone that this version does not know"
    return FactRefused("zone", reason)


def _assess_fact(
    state: ClientState, fact: Fact, rulebook: Rulebook, business_day: date
) -> Change | None:
    on_day = state.assessed_on or business_day
    if on_day < business_day:
        raise ValueError(f"client {state.client_id} has not been brought to {business_day}")
    state.assessed_on, today = on_day, on_day.toordinal()
    state.standing = after = standing_at(state.digest, rulebook, today, today)
    if after.tier == state.tier:
        state.score = after.score
        return None
    return _change(state, rulebook, after, (today, today), _cause(state, fact, on_day))


def _cause(state: ClientState, fact: Fact, on_day: date) -> _Cause:
    """Why and since when, for a change by a fact: in effect as soon as it happened and was known.

    A fact of an earlier day takes effect when it becomes known, so the latest of its own time, the
    start of the business day and the last change's effect.
    """
    effective_at = max(fact.occurred_at, midnight(on_day, state.zone))
    if state.effective_at is not None:
        effective_at = max(effective_at, state.effective_at)
    is_history = fact.backfill or fact.accepted_at - fact.occurred_at > BACKFILL_AFTER
    return _Cause(
        reason="activity" if fact.refers_to is None else "correction",
        origin="backfill" if is_history else "live",
        effective_at=effective_at,
        happened_at=fact.occurred_at,
        activity_id=fact.activity_id,
    )


def _passing(state: ClientState, day: date, *, arrived: bool) -> _Cause:
    """Why and since when, for a change at a midnight: time, or a fact whose day has now come."""
    start = midnight(day, state.zone)
    if not arrived:
        return _Cause("elapsed_time", "live", start)
    return _Cause("activity", "live", max(start, state.effective_at or start))


def _change(
    state: ClientState,
    rulebook: Rulebook,
    after: RuleResult,
    position: tuple[int, int],
    cause: _Cause,
) -> Change:
    """Move the state to the standing `after`, reached at `position` (today, counted_to)."""
    today, counted_to = position
    before = state.tier
    state.tier, state.score, state.reviewed = after.tier, after.score, False
    state.version += 1
    state.effective_at = cause.effective_at
    return Change(
        version=state.version,
        from_tier=None if before is None else rulebook.tiers[before].key,
        to_tier=rulebook.tiers[after.tier].key,
        direction=direction(before, after.tier),
        reason=cause.reason,
        origin=cause.origin,
        effective_at=cause.effective_at,
        happened_at=cause.happened_at,
        activity_id=cause.activity_id,
        score=after.score,
        on_day=date.fromordinal(today),
        explanation=explain(state.digest, rulebook, after, today, counted_to),
    )
