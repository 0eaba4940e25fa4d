"""How a client moves: by time, midnight after midnight, and by source events, each in its turn.

The order is the law (ADR 3): a client whom a record touches is first brought to the
batch's day (`catch_up`), then the facts of each source event are folded and the client assessed
once (`fold`, `close_cause`), and once a batch the client is asked when something must next be said
(`review`). So the changes depend on the log alone, never on where its batches end or how late a
sweep comes.
"""

from collections.abc import Sequence
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
from scoring_service.domain.client_state import ClientState, OpenCause
from scoring_service.domain.counting import count
from scoring_service.domain.explain import Line, explain
from scoring_service.domain.facts import (
    Fact,
    FactRefused,
    Numbered,
    Skipped,
)
from scoring_service.domain.keeping import assess_on, is_kept, keep, loses, release
from scoring_service.domain.periods import is_zone, midnight
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Rulebook

Reason = Literal["activity", "elapsed_time", "correction", "rebuild", "merge", "zone", "erasure"]
Origin = Literal["live", "backfill"]

BACKFILL_AFTER = timedelta(days=7)
_ONE_DAY, _A_MOMENT = timedelta(days=1), timedelta(microseconds=1)
_GRADED = frozenset({"completed", "settled", "refunded"})
"""The kinds that a tier rests on."""


class Change(NamedTuple):
    """A client's move to another tier; `version` is gapless from 1 for each client.

    `score` is in hundredths. `effective_at` is exact in time; `happened_at` and `activity_id` are
    those of the causing fact, None for a change by time or by a fact that had been known before
    its day. `due_on` is the day of a change that was held until later. `on_day` and `explanation`
    are of the moment of the change, later facts left out.
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
    due_on: date | None = None


class Cause(NamedTuple):
    """What brings a change about, as the history will tell it."""

    reason: Reason
    origin: Origin
    effective_at: datetime
    happened_at: datetime | None = None
    activity_id: str | None = None
    due_on: date | None = None


def catch_up(
    state: ClientState, rulebook: Rulebook, *, first_day: date, to_day: date
) -> list[Change]:
    """Bring a client to the day `to_day`, in order: the first assessment if it is due, then time.

    `first_day` is the local day of the partition's first watermark. A client without any fact is
    left alone: its first fact will assess it, or the end of its first source event. A cause that a
    watermark has closed must have been closed before.
    """
    changes = []
    if state.assessed_on is None and state.last_sequence and state.open_cause is None:
        changes.append(first_assessment(state, rulebook, first_day))
    return changes + walk(state, rulebook, to_day)


def walk(state: ClientState, rulebook: Rulebook, to_day: date) -> list[Change]:
    """Let time pass for a client, through every breakpoint after `assessed_on` up to `to_day`.

    Any number of steps gives the same changes. Changes by time take effect at the midnight of
    their day. A day whose facts were known beforehand is assessed first without them
    (elapsed_time), then with them (activity). Does nothing for a client never assessed, or one
    assessed on that day or later. Where time must lower nobody, it ends before a day that would,
    and does nothing for who keeps a tier already (`domain/keeping.py`).
    """
    if state.assessed_on is None or state.assessed_on >= to_day:
        return []
    if is_kept(state) and state.kept_since is not None:
        return []
    today, end = state.assessed_on.toordinal(), to_day.toordinal()
    changes: list[Change] = []
    if not state.reviewed or _due(state, to_day):
        state.reviewed, counted_to = False, today
        while step := first_change(state.digest, rulebook, state.zone, today, counted_to):
            if step.day > end:
                break
            if loses(state, step):
                keep(state, date.fromordinal(step.day))
                return changes
            today, counted_to = step.day, step.counted_to
            cause = _passing(state, date.fromordinal(today), arrived=counted_to == today)
            after = standing_at(state.digest, rulebook, today, counted_to)
            if after.tier != state.tier:  # it may be, after a change of the rulebook
                changes.append(moved(state, rulebook, after, (today, counted_to), cause))
    state.assessed_on = to_day
    state.standing = standing_at(state.digest, rulebook, end, end)
    state.score = state.standing.score
    return changes


def take_effect(state: ClientState, rulebook: Rulebook, at: datetime) -> list[Change]:
    """Let what a client has kept take effect, since its practice was released at `at`: one change,
    whatever was missed, or none."""
    was_kept_until, (after, *position), due_on = release(state, rulebook, at)
    if after.tier == state.tier:
        state.score = after.score
        return []
    on_day = date.fromordinal(position[0])
    effective_at = within_day(state, was_kept_until, on_day)
    cause = Cause("elapsed_time", "live", effective_at, due_on=due_on)
    return [moved(state, rulebook, after, (position[0], position[1]), cause)]


def fold(
    state: ClientState, fact: Fact, rulebook: Rulebook, business_day: date | None
) -> Change | None:
    """Fold one fact, and assess the client when it is the last of its source event; the change of
    tier, if that made one.

    A fact whose source event has more to come waits in `open_cause`; one that another source event
    left open must have been closed before (`ends_cause`). `business_day` is the batch's day in the
    fact's zone, None before the partition's first watermark: then nothing is assessed. The client
    must have been brought to that day before (`catch_up`), ValueError otherwise. A duplicate does
    nothing. The fact is of the client's generation. FactRefused for one of another zone (a new
    zone opens a new generation), or of a zone that this version does not know: its sequence is then
    missing until somebody puts it right.
    """
    if fact.zone != state.zone or not is_zone(fact.zone):
        state.miss(fact.sequence, fact.incarnation)
        raise wrong_zone(state, fact)
    if not state.accepts(fact.sequence, fact.incarnation):
        return None
    if fact.is_last_of_cause and state.open_cause is None:
        changed = _add(state, fact)
        if business_day is None or not (changed or state.tier is None):
            return None
        is_correction = fact.refers_to is not None
        return _assess_cause(state, fact, rulebook, business_day, is_correction=is_correction)
    if business_day is None:
        _add(state, fact)
        return None
    on_day, facts = state.open_cause or OpenCause(business_day, ())
    state.open_cause = OpenCause(on_day, (*facts, fact))
    return close_cause(state, rulebook) if fact.is_last_of_cause else None


def ends_cause(state: ClientState, record: Numbered) -> bool:
    """Whether a source event that is open has ended before this record of the client's generation:
    the record is new and of another one. A watermark ends each that is open."""
    if state.open_cause is None:
        return False
    last = state.open_cause.facts[-1]
    is_other = (record.source, record.cause_id) != (last.source, last.cause_id)
    return is_other and not state.has(record.sequence)


def close_cause(state: ClientState, rulebook: Rulebook) -> Change | None:
    """Fold the facts of the source event that is open, together, and assess the client once; the
    change of tier, if they made one. Does nothing when none is open, nor in a zone that this
    version does not know: one that does will close it."""
    if state.open_cause is None or not is_zone(state.zone):
        return None
    (on_day, facts), state.open_cause = state.open_cause, None
    changed = [_add(state, fact) for fact in facts]
    if state.tier is not None and not any(changed):
        return None
    leading, is_correction = _leading(facts)
    return _assess_cause(state, leading, rulebook, on_day, is_correction=is_correction)


def leave_open(state: ClientState, business_time: datetime) -> None:
    """At the end of a batch: make a client whose source event is open due at the next watermark.
    `business_time` is the partition's time after the batch. One who keeps a tier is not due."""
    was_kept = is_kept(state)
    state.review_at = business_time + _A_MOMENT
    if was_kept:
        state.held_at = state.review_at


def is_closed_by(state: ClientState, business_time: datetime | None, day: date | None) -> bool:
    """Whether time has passed since a batch left the client's source event open: a watermark has
    come, or the client's day is a later one, since its practice was held and has moved on."""
    if state.open_cause is None:
        return False
    if day is not None and day > state.open_cause.on_day:
        return True
    return (
        state.review_at is not None
        and business_time is not None
        and state.review_at <= business_time
    )


def skip(state: ClientState, skipped: Skipped, rulebook: Rulebook) -> Change | None:
    """Take note of a record that says nothing that scoring knows; the change of tier that comes of
    it, since it may be the last of a source event whose other facts wait."""
    if not state.accepts(skipped.sequence, skipped.incarnation):
        return None
    state.skip(skipped.sequence)
    return close_cause(state, rulebook) if skipped.is_last_of_cause else None


def first_assessment(state: ClientState, rulebook: Rulebook, day: date) -> Change:
    """The one assessment of a client whose facts came before the partition's first watermark.

    Of origin backfill, so that it triggers nothing; in effect from the midnight of `day`, the
    local day of that watermark. ValueError if it is not the first.
    """
    if state.tier is not None:
        raise ValueError(f"client {state.client_id} has been assessed before")
    today = day.toordinal()
    state.assessed_on = day
    cause = Cause("activity", "backfill", midnight(day, state.zone))
    after = standing_at(state.digest, rulebook, today, today)
    return moved(state, rulebook, after, (today, today), cause)


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
    if is_kept(state):
        state.reviewed = True
        return None
    today = state.assessed_on.toordinal()
    step = first_change(state.digest, rulebook, state.zone, today, today, state.standing)
    on = None if step is None else date.fromordinal(step.day)
    state.review_at = None if on is None else midnight(on, state.zone)
    state.reviewed = True
    return step


def _due(state: ClientState, to_day: date) -> bool:
    return state.review_at is not None and state.review_at <= midnight(to_day, state.zone)


def _add(state: ClientState, fact: Fact) -> bool:
    """Fold a fact into the digest; True if that may move the tier."""
    if not count(state.digest, fact) or fact.kind not in _GRADED:
        return False
    state.reviewed = state.reviewed and _only_puts_off(state, fact)
    state.standing = None
    return True


def _leading(facts: Sequence[Fact]) -> tuple[Fact, bool]:
    """The fact by which a change is known that a source event made, and whether it is a correction:
    whether one that a tier rests on refers to an activity of an earlier source event."""
    own = {fact.activity_id for fact in facts}
    graded = [fact for fact in facts if fact.kind in _GRADED] or facts
    for fact in graded:
        if fact.refers_to is not None and fact.refers_to not in own:
            return fact, True
    return graded[0], False


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


def wrong_zone(state: ClientState, fact: Fact) -> FactRefused:
    """Why a fact is refused whose zone is not its generation's."""
    if is_zone(fact.zone):
        reason = f"{fact.zone} where generation {state.generation} has another"
    else:
        reason = "is a zone that this version does not know"
    return FactRefused("zone", reason)


def _assess_cause(
    state: ClientState, fact: Fact, rulebook: Rulebook, business_day: date, *, is_correction: bool
) -> Change | None:
    """Assess a client after the facts of a source event, for which `fact` stands."""
    on_day = max(business_day, state.assessed_on or business_day)
    if on_day != (state.assessed_on or on_day) and not is_kept(state):
        raise ValueError(f"client {state.client_id} has not been brought to {business_day}")
    after, today, counted_to = assess_on(state, rulebook, on_day)
    if after.tier == state.tier:
        state.score = after.score
        return None
    cause = _cause(state, fact, on_day, is_correction=is_correction)
    return moved(state, rulebook, after, (today, counted_to), cause)


def _cause(state: ClientState, fact: Fact, on_day: date, *, is_correction: bool) -> Cause:
    """Why and since when, for a change by a fact: in effect as soon as it happened and was known.

    A fact of an earlier day takes effect when it becomes known, one that is dated ahead when it was
    accepted: its own time, but within the business day, not after its acceptance, and not before
    the last change's effect.
    """
    effective_at = within_day(state, min(fact.occurred_at, fact.accepted_at), on_day)
    is_history = fact.backfill or fact.accepted_at - fact.occurred_at > BACKFILL_AFTER
    return Cause(
        reason="correction" if is_correction else "activity",
        origin="backfill" if is_history else "live",
        effective_at=effective_at,
        happened_at=fact.occurred_at,
        activity_id=fact.activity_id,
    )


def within_day(state: ClientState, at: datetime, day: date) -> datetime:
    """An instant as what is in effect on a day: within it, and not before the last change."""
    end = midnight(day + _ONE_DAY, state.zone) - _A_MOMENT
    effective_at = max(min(at, end), midnight(day, state.zone))
    return max(effective_at, state.effective_at or effective_at)


def _passing(state: ClientState, day: date, *, arrived: bool) -> Cause:
    """Why and since when, for a change at a midnight: time, or a fact whose day has now come."""
    return Cause("activity" if arrived else "elapsed_time", "live", midnight(day, state.zone))


def moved(
    state: ClientState,
    rulebook: Rulebook,
    after: RuleResult,
    position: tuple[int, int],
    cause: Cause,
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
        due_on=cause.due_on,
    )
