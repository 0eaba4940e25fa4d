"""A client's facts that are said anew, as another generation, beside the one that answers (ADR 48).

They are folded as they come, and assessed by nobody. Once all that were announced are there, the
generation replaces the one before, and the client is assessed once.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, cast, get_args

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.counting import count
from scoring_service.domain.facts import Fact, Numbered, Opening
from scoring_service.domain.keeping import assess_on
from scoring_service.domain.periods import is_zone
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Cause, Change, moved, within_day, wrong_zone

Reason = Literal["rebuild", "merge", "zone", "erasure"]
_REASONS: Final = frozenset(get_args(Reason))


@dataclass(slots=True)
class NextGeneration:
    """One generation of a client's facts as far as it has come.

    `state` has its numbers, zone and digest, and nothing else. `facts` is how many of them, by
    sequence from 1 on, replace the generation before; None, as `opened_at` is, while the record
    that opened it has not come. `came` of its sequences have been folded. `is_whole` says that the
    source event of the last of them has no further fact.
    """

    state: ClientState
    facts: int | None = None
    came: int = 0
    is_whole: bool = True
    reason: Reason = "rebuild"
    opened_at: datetime | None = None

    @property
    def generation(self) -> int:
        """Its number."""
        return self.state.generation

    @property
    def is_complete(self) -> bool:
        """Whether it can replace the one before: all facts said anew are there, none was given up,
        and no source event is half said."""
        if self.facts is None or not self.is_whole or self.state.last_sequence < self.facts:
            return False
        gaps = self.state.missing
        missing = sum(last - first + 1 for first, last in gaps)
        is_gapless = not gaps or gaps[0][0] > self.facts
        return is_gapless and self.came + missing == self.state.last_sequence


def begin(state: ClientState, generation: int) -> NextGeneration:
    """A generation of a client of which nothing has come."""
    return NextGeneration(
        ClientState(state.practice_id, state.client_id, state.partition, "", generation)
    )


def hear(beside: NextGeneration, record: Numbered | Opening) -> None:
    """Fold a record of this generation. A sequence that has come before does nothing. FactRefused
    for a fact of another zone than the first one's, or of a zone that this version does not know:
    then its sequence is missing until somebody puts it right."""
    if isinstance(record, Opening):
        beside.facts, beside.opened_at = record.facts, record.opened_at
        if record.reason in _REASONS:
            beside.reason = cast("Reason", record.reason)
        return
    state = beside.state
    if isinstance(record, Fact):
        _refuse_other_zone(state, record)
    is_newest = record.sequence > state.last_sequence
    if not state.accepts(record.sequence, record.incarnation):
        return
    beside.came += 1
    if is_newest:
        beside.is_whole = record.is_last_of_cause
    if isinstance(record, Fact):
        count(state.digest, record)
    else:
        state.skip(record.sequence)


def take_over(state: ClientState, beside: NextGeneration) -> None:
    """Let a complete generation replace the one before. A source event of that one that is open is
    said anew, so it is forgotten."""
    new = beside.state
    state.generation, state.digest = new.generation, new.digest
    # One of no fact brings no zone, and who has none of that is left alone.
    state.zone = new.zone or (state.zone if state.tier is not None else "")
    state.last_sequence, state.missing, state.stretches = (
        new.last_sequence,
        new.missing,
        new.stretches,
    )
    state.first_skipped_sequence = new.first_skipped_sequence
    state.first_repeated_sequence = new.first_repeated_sequence
    state.open_cause, state.standing, state.reviewed = None, None, False


def assess_anew(
    state: ClientState, beside: NextGeneration, rulebook: Rulebook, day: date | None
) -> Change | None:
    """Assess a client once after a generation has taken over; the change of tier, if it made one.

    `day` is the batch's day in the client's zone, not before `assessed_on`; None before the
    partition's first watermark, and for a client without a zone: nothing is assessed then. The
    change is of origin backfill, so that it triggers nothing, and in effect since the generation
    was opened, within that day.
    """
    if day is None or beside.opened_at is None:
        return None
    after, today, counted_to = assess_on(state, rulebook, day)
    if after.tier == state.tier:
        state.score = after.score
        return None
    effective_at = within_day(state, beside.opened_at, day)
    cause = Cause(beside.reason, "backfill", effective_at)
    return moved(state, rulebook, after, (today, counted_to), cause)


def _refuse_other_zone(state: ClientState, fact: Fact) -> None:
    if not state.zone and is_zone(fact.zone):
        state.zone = fact.zone
    if fact.zone != state.zone:
        state.miss(fact.sequence, fact.incarnation)
        raise wrong_zone(state, fact)
