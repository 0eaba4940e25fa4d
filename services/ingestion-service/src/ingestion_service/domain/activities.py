"""The deltas by which facts change what a client's bookings and payments count for, and the
activities as which they are published."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.facts import (
    Attributes,
    CancelledBy,
    ClientId,
    IdentityKey,
    PracticeId,
    SignalKind,
    SourceFact,
)

ActivityKind = Literal[
    "registered",
    "requested",
    "booked",
    "completed",
    "no_show",
    "cancelled",
    "settled",
    "refunded",
    SignalKind,
]

_NAMESPACE: Final = uuid.UUID("6f0b6c1e-0d9a-5a5e-9a9e-2d1c7a1b5f10")


class Delta(NamedTuple):
    """One signed change on one practice-local day; `refers_to` is the id of the activity that it
    corrects, or None. `attributes` are the codes of the booking or payment. `cancelled_by` and
    `cancelled_at` are said of `cancelled` alone. `object_id` is set where the change is of
    another booking than the fact names: of the first of its chain, or of a part of it."""

    activity_id: str
    kind: ActivityKind
    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int
    refers_to: str | None = None
    cancelled_by: CancelledBy | None = None
    cancelled_at: datetime | None = None
    object_id: str | None = None


class ActivityOwner(NamedTuple):
    """The client of an activity, with the zone of its days and the currency of its amounts."""

    practice_id: PracticeId
    client_id: ClientId
    generation: int
    zone: str
    currency: str


class Cause(NamedTuple):
    """The source event of an activity: its id within `source`, the random id of its booking or
    payment, and whether the source reported it as history."""

    source: str | None
    event_id: str | None
    object_id: str | None
    backfill: bool


NO_CAUSE: Final = Cause(None, None, None, backfill=False)
"""What a registration says of its cause."""


class Activity(NamedTuple):
    """A delta with its client and its number in the client's gapless sequence, as it is published.

    `cause` is None for a registration. `is_last_of_cause` says that the cause has no further
    activity of this client.
    """

    owner: ActivityOwner
    sequence: int
    occurred_at: datetime
    accepted_at: datetime
    cause: Cause | None
    is_last_of_cause: bool
    delta: Delta


def activity_id(practice_id: str, source: str, event_id: str, ordinal: int) -> str:
    """The id of the `ordinal`-th activity that a source event causes: the same on every replay."""
    return str(uuid.uuid5(_NAMESPACE, f"{practice_id}\x00{source}\x00{event_id}\x00{ordinal}"))


def moved(fact: SourceFact, client: IdentityKey, payment_id: str) -> SourceFact:
    """What is kept for a client for whom a payment counts no longer, or counts now, because of a
    fact about something else. Its id is the same on every replay."""
    names = f"{fact.practice_id}\x00{fact.source}\x00{fact.event_id}\x00moved\x00{payment_id}"
    event_id = uuid.uuid5(_NAMESPACE, f"{names}\x00{client.namespace}\x00{client.external_id}")
    return SourceFact(
        practice_id=fact.practice_id,
        source=fact.source,
        event_id=str(event_id),
        namespace=client.namespace,
        external_id=client.external_id,
        object_kind="payment",
        external_object_id=payment_id,
        kind="moved",
        occurred_at=fact.occurred_at,
        backfill=fact.backfill,
    )


def caused(
    fact: SourceFact,
    object_id: str,
    owner: ActivityOwner,
    deltas: Sequence[Delta],
    first_sequence: int,
    accepted_at: datetime,
) -> list[Activity]:
    """The activities of one fact's deltas, numbered from `first_sequence` on. `object_id` is that
    of the fact's booking or payment."""
    cause = Cause(fact.source, fact.event_id, object_id, fact.backfill)
    return numbered(cause, fact.occurred_at, owner, deltas, first_sequence, accepted_at)


def numbered(
    cause: Cause,
    occurred_at: datetime,
    owner: ActivityOwner,
    deltas: Sequence[Delta],
    first_sequence: int,
    accepted_at: datetime,
) -> list[Activity]:
    """The activities of all deltas of one cause, numbered from `first_sequence` on."""
    last = first_sequence + len(deltas) - 1
    return [
        Activity(
            owner,
            sequence,
            occurred_at,
            accepted_at,
            cause._replace(object_id=delta.object_id) if delta.object_id else cause,
            sequence == last,
            delta,
        )
        for sequence, delta in enumerate(deltas, start=first_sequence)
    ]


def registered(
    owner: ActivityOwner, sequence: int, now: datetime, on: date | None = None
) -> Activity:
    """The activity that makes a client known to other services before any booking or payment; its
    day is `on` where it was published before, else today."""
    identity = activity_id(owner.practice_id, "", owner.client_id, 0)
    delta = _registration(identity, on or local_day(now, owner.zone))
    return Activity(owner, sequence, now, now, None, is_last_of_cause=True, delta=delta)


def announcement(fact: SourceFact, zone: str, accepted_at: datetime) -> Delta:
    """The delta of a client's first fact where that counts for nothing, such as a refund before its
    payment: it makes the client known to other services."""
    identity = activity_id(fact.practice_id, fact.source, fact.event_id, 0)
    return _registration(identity, local_day(accepted_at, zone))


def _registration(identity: str, on: date) -> Delta:
    return Delta(identity, "registered", on, None, (), 1, 0, None)


def local_day(now: datetime, zone: str) -> date:
    """The day of an instant in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def takes_back_a_visit(deltas: Sequence[Delta]) -> bool:
    """Whether a fact's deltas take back a completed booking and give none for it."""
    if not deltas or deltas[0].number >= 0:  # negative deltas come first
        return False
    return sum(delta.number for delta in deltas if delta.kind == "completed") < 0
