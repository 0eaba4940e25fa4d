"""How a client moves: by time, midnight after midnight, and by facts, each in its turn.

The order is the law (ADR 3): a client whom a record touches is first brought to the
batch's day (`catch_up`), then each fact is folded and assessed (`fold`), and once a batch the
client is asked when something must next be said (`review`). So the changes depend on the log
alone, never on where its batches end or how late a sweep comes.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
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
from scoring_service.domain.digest import Digest
from scoring_service.domain.explain import Line, explain
from scoring_service.domain.facts import Fact, FactRefused, Numbered, Skipped
from scoring_service.domain.periods import midnight
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Rulebook

Reason = Literal["activity", "elapsed_time", "correction"]
Origin = Literal["live", "backfill"]

BACKFILL_AFTER = timedelta(days=7)
MOST_GAPS = 1_000
"""Gaps that one client's sequence may have; of more the oldest is given up."""

Gap = tuple[int, int]
"""Sequences that have not arrived: the first and the last of them."""


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


@dataclass(slots=True)
class ClientState:
    """All that scoring keeps of one client between batches.

    `zone` is empty until the first fact, which brings it. `missing` are the gaps below
    `last_sequence`, ascending. `incarnation` is that of the highest sequence. Two sequences, if not
    None, say since when the digest is incomplete, until the client is rebuilt:
    `first_skipped_sequence` is the least one whose record was not known or that was given up,
    `first_repeated_sequence` the least one that another incarnation gave out again.

    `tier` (an index into the rulebook's tiers) and `score` (hundredths) are as of `assessed_on`, a
    local day that never falls; all three are None or 0 until the first assessment. `version` and
    `effective_at` are those of the last change. Before `review_at` nothing need be said if nothing
    happens, nor ever if it is None; true while `reviewed`, stale until the next `review` otherwise.
    `review` sets it to the very instant; facts that can only put that off leave it, and it is then
    early (ADR 14). `standing` is the one of `assessed_on` when it is at hand, None when it must
    be asked for; it is not kept between batches.
    """

    practice_id: str
    client_id: str
    partition: int
    zone: str
    generation: int = 1
    last_sequence: int = 0
    missing: tuple[Gap, ...] = ()
    incarnation: str | None = None
    first_skipped_sequence: int | None = None
    first_repeated_sequence: int | None = None
    digest: Digest = field(default_factory=Digest)
    assessed_on: date | None = None
    tier: int | None = None
    score: int = 0
    version: int = 0
    effective_at: datetime | None = None
    review_at: datetime | None = None
    reviewed: bool = False
    standing: RuleResult | None = field(default=None, compare=False, repr=False)

    def accepts(self, sequence: int, incarnation: str | None) -> bool:
        """Take note of a sequence; False when it has been folded or skipped before (R7).

        A gap is remembered; who comes late fills it, and is accepted once.
        """
        if sequence > self.last_sequence:
            if sequence > self.last_sequence + 1:
                self._set_missing((*self.missing, (self.last_sequence + 1, sequence - 1)))
            self.last_sequence, self.incarnation = sequence, incarnation
            return True
        place = self._gap_of(sequence)
        if place is None:
            return False
        first, last = self.missing[place]
        rest = [gap for gap in ((first, sequence - 1), (sequence + 1, last)) if gap[0] <= gap[1]]
        self._set_missing((*self.missing[:place], *rest, *self.missing[place + 1 :]))
        return True

    def repeats(self, said: Numbered) -> bool:
        """Whether a sequence that was accepted before comes from another incarnation of the
        sender's database, which was restored and gave it out anew; takes note of it then."""
        if (
            said.incarnation == self.incarnation
            or said.sequence > self.last_sequence
            or said.generation != self.generation
            or self._gap_of(said.sequence) is not None
        ):
            return False
        self.first_repeated_sequence = _least(self.first_repeated_sequence, said.sequence)
        return True

    def skip(self, sequence: int) -> None:
        """Take note that what a sequence says is not in the digest."""
        self.first_skipped_sequence = _least(self.first_skipped_sequence, sequence)

    def _gap_of(self, sequence: int) -> int | None:
        """The place of the gap that a sequence lies in; None if it lies in none."""
        place = bisect_left(self.missing, (sequence + 1, 0)) - 1
        return place if place >= 0 and sequence <= self.missing[place][1] else None

    def _set_missing(self, gaps: tuple[Gap, ...]) -> None:
        if len(gaps) > MOST_GAPS:
            self.skip(gaps[0][0])
            gaps = gaps[1:]
        self.missing = gaps


def _least(known: int | None, sequence: int) -> int:
    return sequence if known is None else min(known, sequence)


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
    (`catch_up`), ValueError otherwise. A duplicate does nothing. FactRefused, which leaves the
    state as it was, so that the sequence stays missing until somebody puts it right, for a fact
    of another zone or generation (a new zone opens a new generation).
    """
    _refuse_other_generation(state, fact)
    if fact.zone != state.zone:
        raise FactRefused("zone", f"{fact.zone} where generation {state.generation} has another")
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
    """Take note of a record that says nothing that scoring knows. FactRefused for one of another
    generation: what it says may be that a new one begins."""
    _refuse_other_generation(state, skipped)
    if state.accepts(skipped.sequence, skipped.incarnation):
        state.skip(skipped.sequence)


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


def _refuse_other_generation(state: ClientState, said: Numbered) -> None:
    if said.generation != state.generation:
        raise FactRefused("generation", f"{said.generation} where {state.generation} is current")


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
