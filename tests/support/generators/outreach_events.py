"""What the bus may bring to outreach: single events, and every event that the contracts allow."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from rapport_contracts import canonical
from rapport_contracts.ranges import EARLIEST, FIRST_DAY, LAST_DAY, LATEST, zones
from rapport_contracts.words import ACTIVITY_KINDS, CHANGE_REASONS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRACTICE, ADA = "harbour", "ada"


def an_activity(event_id: str = "a1", **changes: Any) -> canonical.ActivityRecorded:
    """Ada completes a booking at noon, or what `changes` say."""
    known: dict[str, Any] = {
        "client_id": ADA,
        "generation": 1,
        "sequence": 1,
        "kind": "completed",
        "on": NOON.date(),
        "zone": "Europe/London",
        "count": 1,
        "occurred_at": NOON,
        "accepted_at": NOON,
    }
    return canonical.ActivityRecorded(
        **_envelope(event_id), data=canonical.Activity(**known | changes)
    )


def a_tier_change(**changes: Any) -> canonical.TierChanged:
    """Ada falls to bronze at noon, or what `changes` say."""
    known: dict[str, Any] = {
        "client_id": ADA,
        "scheme": "rfm",
        "version": 1,
        "rulebook_version": 1,
        "primary": True,
        "from_tier": "silver",
        "to_tier": "bronze",
        "direction": "downgraded",
        "reason": "elapsed_time",
        "origin": "live",
        "effective_at": NOON,
        "happened_at": None,
        "activity_id": None,
        "score": None,
        "explanation": (),
        "zone": "Europe/London",
    }
    return canonical.TierChanged(**_envelope("t1"), data=canonical.TierChange(**known | changes))


def a_hold(
    since: datetime = NOON, *, held: bool = True, incarnation: str = "0a1b2c3d"
) -> canonical.HoldChanged:
    """A hold of the practice begins, moves on or ends."""
    hold = canonical.Hold(hold_id="h1", reason="deferred", held=held, since=since)
    return canonical.HoldChanged(**_envelope("h1"), incarnation=incarnation, data=hold)


def an_opening(generation: int = 2, facts: int = 0) -> canonical.GenerationOpened:
    """Ada's facts are about to be said anew."""
    opening = canonical.GenerationOpening(
        client_id=ADA, generation=generation, reason="rebuild", facts=facts
    )
    return canonical.GenerationOpened(**_envelope("g1"), data=opening)


def _envelope(event_id: str) -> dict[str, Any]:
    return {"id": event_id, "source": "test", "time": NOON, "practiceid": PRACTICE}


_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


def _texts(longest: int = 200) -> st.SearchStrategy[str]:
    return st.text(_CHARACTERS, min_size=1, max_size=longest)


def _whole(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most) | st.sampled_from([least, most])


TEXTS = _texts()
INSTANTS = st.datetimes(
    EARLIEST.replace(tzinfo=None),
    (LATEST - timedelta(microseconds=1)).replace(tzinfo=None),
    timezones=st.just(UTC),
)
_ENVELOPES = {"id": TEXTS, "source": TEXTS, "time": INSTANTS, "practiceid": TEXTS}
_SEQUENCES = _whole(1, 2**62)
_INT_32, _INT_64 = _whole(-(2**31), 2**31 - 1), _whole(-(2**63), 2**63 - 1)
_CURRENCIES = st.from_regex("^[A-Z]{3}$", fullmatch=True)
_SCORES = st.decimals(0, 100, places=2) | st.none()
_ACTIVITIES = st.builds(
    canonical.Activity,
    client_id=TEXTS,
    generation=st.just(1) | _SEQUENCES,
    sequence=_SEQUENCES,
    kind=st.sampled_from(ACTIVITY_KINDS) | _texts(64),
    on=st.dates(FIRST_DAY, LAST_DAY),
    zone=st.sampled_from(sorted(zones())),
    count=_INT_32,
    amount_minor=_INT_64,
    currency=_CURRENCIES | st.none(),
    occurred_at=INSTANTS,
    accepted_at=INSTANTS,
    refers_to=TEXTS | st.none(),
    starts_at=INSTANTS | st.none(),
    object_id=TEXTS | st.none(),
    source=TEXTS | st.none(),
    cause_id=TEXTS | st.none(),
    last_of_cause=st.booleans(),
    backfill=st.booleans(),
    attributes=st.dictionaries(TEXTS, TEXTS | _INT_64 | st.booleans(), max_size=3),
    activity_id=TEXTS | st.none(),
)
_CHANGES = st.builds(
    canonical.TierChange,
    client_id=TEXTS,
    scheme=TEXTS,
    version=_SEQUENCES,
    rulebook_version=_whole(1, 2**31 - 1),
    primary=st.booleans(),
    from_tier=TEXTS | st.none(),
    to_tier=TEXTS,
    direction=st.sampled_from(["entered", "upgraded", "downgraded", "moved", "left"]),
    reason=st.sampled_from(CHANGE_REASONS) | _texts(64),
    origin=st.sampled_from(["live", "backfill"]),
    effective_at=INSTANTS,
    due_on=st.dates(FIRST_DAY, LAST_DAY) | st.none(),
    happened_at=INSTANTS | st.none(),
    activity_id=TEXTS | st.none(),
    score=_SCORES.map(lambda score: score if score is None else abs(Decimal(score))),
    explanation=st.just(()),
    zone=TEXTS,
)
_PRACTICES = st.builds(
    canonical.Practice,
    practice_id=TEXTS,
    name=TEXTS,
    zone=TEXTS,
    currency=_CURRENCIES,
    region=st.from_regex("^[A-Z]{2}$", fullmatch=True) | st.none(),
    discreet_name=TEXTS | st.none(),
)
_OPENINGS = st.builds(
    canonical.GenerationOpening,
    client_id=TEXTS,
    generation=_SEQUENCES,
    reason=_texts(64),
    facts=_whole(0, 2**62),
)
EVENTS: st.SearchStrategy[canonical.CanonicalEvent] = st.one_of(
    st.builds(canonical.ActivityRecorded, **_ENVELOPES, data=_ACTIVITIES),
    st.builds(canonical.GenerationOpened, **_ENVELOPES, data=_OPENINGS),
    st.builds(canonical.TierChanged, **_ENVELOPES, data=_CHANGES),
    st.builds(canonical.PracticeRegistered, **_ENVELOPES, data=_PRACTICES),
)
"""Every activity, opening of a generation, tier change and practice of which the contracts' readers
say nothing bad."""
