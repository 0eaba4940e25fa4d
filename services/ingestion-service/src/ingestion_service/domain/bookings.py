"""What a booking's facts come to: which of them has the last word."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from ingestion_service.domain.facts import SourceFact, SourceKind
from ingestion_service.domain.standings import (
    Contribution,
    Effect,
    KeptFact,
    Standing,
    latest,
    latest_codes,
    with_codes,
)

State = Literal["booked", "completed", "no_show", "cancelled"]

_OUTCOMES: Final = frozenset({"completed", "no_show"})
"""What a booking came to, as somebody reported it."""
_SLOTS: Final[dict[SourceKind, str]] = {
    "requested": "requested",
    "created": "created",
    "rescheduled": "moved",
    "assumed": "assumed",
    "completed": "last",
    "no_show": "last",
    "cancelled": "cancelled",
}
_STATES: Final[dict[SourceKind, State]] = {
    "created": "booked",
    "rescheduled": "booked",
    "assumed": "completed",
    "completed": "completed",
    "no_show": "no_show",
    "cancelled": "cancelled",
}


class BookingState(NamedTuple):
    """How a booking is: the hour, where it was said, and when the last was said of it."""

    state: State
    starts_at: datetime | None
    said_at: datetime


def with_fact(known: Standing, fact: SourceFact, kept: KeptFact, own: Standing | None) -> Standing:
    """A booking's standing after a fact. `own` is that of the fact's id, after the same fact, where
    that id is part of the booking."""
    if own is None or fact.kind != "cancelled":
        slot = _SLOTS[fact.kind]
        said: dict[str, Any] = {slot: latest(getattr(known, slot), kept)}
        known = known._replace(**said)
    if fact.attributes:
        known = with_codes(known, fact.attributes, fact.order)
    if own is None:  # the fact is about the first id of the chain, which is nearly always the only
        stands_here = known.current is not None and _hour(known) is kept
        return known._replace(current=None, current_cancelled=None) if stands_here else known
    if _hour(known) is kept or known.current == fact.external_object_id:
        return known._replace(current=fact.external_object_id, current_cancelled=own.cancelled)
    return known


def joined(known: Standing, other: Standing, other_id: str) -> Standing:
    """A booking's standing after another one, `other_id`, has become part of it."""
    hour = latest(_hour(known), _hour(other))
    current, cancelled = known.current, known.current_cancelled
    if hour is not None and hour is not _hour(known):
        is_own = other.current is None
        current = other_id if is_own else other.current
        cancelled = other.cancelled if is_own else other.current_cancelled
    return known._replace(
        created=latest(known.created, other.created),
        moved=latest(known.moved, other.moved),
        last=latest(known.last, other.last),
        requested=latest(known.requested, other.requested),
        assumed=latest(known.assumed, other.assumed),
        codes=latest_codes(known.codes, other.codes),
        current=current,
        current_cancelled=cancelled,
        joined=known.joined + other.joined + 1,
    )


def state_of_booking(known: Standing) -> BookingState | None:
    """How a booking is now; None where nothing was said of it but that somebody asked for it."""
    word, hour = _last_word(known), _hour(known)
    state = None if word is None else _STATES.get(word.kind)
    if state is None:
        return None
    facts = (known.created, known.moved, known.last, known.assumed, known.cancelled)
    said_at = max(fact.occurred_at for fact in (*facts, known.current_cancelled) if fact)
    return BookingState(state, None if hour is None else hour.starts_at, said_at)


def effect_of_booking(known: Standing) -> Effect:
    """What a booking counts for."""
    word = _last_word(known)
    if word is None:
        return {}
    hour = Contribution(word.on, word.starts_at, known.attributes, 1, 0)
    if word.kind == "cancelled":
        return _effect_of_cancellation(known, word, hour)
    if word.kind == "no_show":
        return {"no_show": hour}
    if word.kind in {"completed", "assumed"}:
        return {"completed": hour}
    return {"requested" if word.kind == "requested" else "booked": hour}


def _last_word(known: Standing) -> KeptFact | None:
    """The fact that decides: the latest, but a `created` undoes no outcome (sources often know a
    visit by its day alone, and enter the booking later on that day), a request undoes only a
    cancellation, and an assumption nothing that was said: it holds where the hour had begun."""
    cancelled = known.cancelled if known.current is None else known.current_cancelled
    word = latest(known.moved, known.last, cancelled)
    if word is None or word.kind not in _OUTCOMES:
        word = latest(word, known.created)
    if word is None or word.kind == "cancelled":
        word = latest(word, known.requested)
    if known.assumed is not None and _may_be_over(word, known.assumed):
        return known.assumed
    return word


def _may_be_over(word: KeptFact | None, assumed: KeptFact) -> bool:
    if word is None:
        return True
    if word.kind == "cancelled" or word.kind in _OUTCOMES:
        return False
    return word.starts_at is None or word.starts_at <= assumed.occurred_at


def _effect_of_cancellation(known: Standing, word: KeptFact, hour: Contribution) -> Effect:
    """A cancelled booking counts for nothing; by whom it was cancelled is told where that is said,
    with the hour, from which it follows how late it was."""
    if word.cancelled_by is None:
        return {}
    last_hour = _hour(known)
    return {
        "cancelled": hour._replace(
            starts_at=None if last_hour is None else last_hour.starts_at,
            cancelled_by=word.cancelled_by,
            cancelled_at=word.cancelled_at,
        )
    }


def _hour(known: Standing) -> KeptFact | None:
    """What was last said of when the hour begins."""
    return latest(known.created, known.moved)
