"""The events that Rapport's services send, to each other and to subscribers: strict and fast."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from rapport_contracts.envelope import Envelope, Instant, Int32, Int64, Text

FactKind = Literal["registered", "booked", "completed", "no_show", "settled", "refunded"]
Direction = Literal["entered", "upgraded", "downgraded", "left"]
Reason = Literal[
    "activity",
    "elapsed_time",
    "rulebook",
    "correction",
    "cohort",
    "merge",
    "override",
    "erasure",
]
Origin = Literal["live", "backfill"]
Sequence = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Score = Annotated[
    Decimal,
    msgspec.Meta(
        description="0.00 to 100.00, two decimals, as a string",
        extra_json_schema={"pattern": r"^(100\.00|[0-9]{1,2}\.[0-9]{2})$"},
    ),
]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Currency = Annotated[str, msgspec.Meta(min_length=3, max_length=3)]


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of every `data`: immutable, fields by keyword, unknown fields ignored.

    `gc=False`: no event holds a cycle, and batches hold thousands of them.
    """


class Activity(Payload, frozen=True, kw_only=True):
    """One delta of one client's facts, on the practice-local day on which it counts.

    `count` and `amount_minor` are signed: a correction is a new activity that carries the
    difference, names the older activity in `refers_to`, and counts on the older one's day.
    `sequence` is gapless per client and `generation`. Amounts are minor units of `currency`.
    """

    client_id: Text
    generation: Sequence
    sequence: Sequence
    kind: FactKind
    on: date
    zone: Text
    count: Int32
    amount_minor: Int64 = 0
    currency: Currency | None = None
    occurred_at: Instant
    accepted_at: Instant
    refers_to: Text | None = None
    starts_at: Instant | None = None


class ActivityRecorded(Envelope, frozen=True, kw_only=True, tag="rapport.activity.recorded.v1"):
    """`client-activity.v1`: something that a client did, or the correction of it."""

    practiceid: Text
    data: Activity


class Watermark(Payload, frozen=True, kw_only=True):
    """On this partition, all that reached the writer up to `up_to` stands before this record."""

    up_to: Instant


class WatermarkAdvanced(Envelope, frozen=True, kw_only=True, tag="rapport.watermark.advanced.v1"):
    """Time as a record, on every partition of `client-activity.v1` and `tier-changes.v1`."""

    data: Watermark


class Practice(Payload, frozen=True, kw_only=True):
    """A practice: its zone (IANA) decides its days, its currency its amounts (ISO 4217)."""

    practice_id: Text
    name: Text
    zone: Text
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]


class PracticeRegistered(Envelope, frozen=True, kw_only=True, tag="rapport.practice.registered.v1"):
    """`practices.v1` (compacted, key = practice id): a practice as it is now."""

    practiceid: Text
    data: Practice


class Line(Payload, frozen=True, kw_only=True):
    """One line of an explanation: an input, its value, the points it earned, and until when."""

    line: Text
    input: Text
    value: str
    points: Int32
    until: date | None = None


class Because(Payload, frozen=True, kw_only=True):
    """The line of the rulebook, and its input, that cause a transition."""

    line: Text
    input: Text


class NextTransition(Payload, frozen=True, kw_only=True):
    """The transition that comes at `at` (the start of a local day) if nothing else happens."""

    at: Instant
    from_tier: Text
    to_tier: Text
    direction: Direction
    because: Because
    assumes: Literal["no_activity", "cohort_unchanged"]
    rulebook_version: Version
    cohort_version: Version | None = None


class TierChange(Payload, frozen=True, kw_only=True):
    """A client's move between tiers; `version` is gapless per client.

    `effective_at` is exact in time: the midnight for a change by time. `happened_at` is the time of
    the causing fact, null for a change by time. `activity_id` is that fact's event id.
    """

    client_id: Text
    version: Sequence
    rulebook: Text
    rulebook_version: Version
    from_tier: Text | None
    to_tier: Text
    direction: Direction
    reason: Reason
    origin: Origin
    effective_at: Instant
    happened_at: Instant | None
    activity_id: Text | None
    score: Score
    explanation: tuple[Line, ...]
    next_transition: NextTransition | None = None
    zone: Text

    def __post_init__(self) -> None:
        """Refuse a score that is not a number from 0 to 100; the decoder reports it by field."""
        if not (self.score.is_finite() and 0 <= self.score <= 100):
            msg = "Expected 0.00 to 100.00 in field `score`"
            raise ValueError(msg)


class TierChanged(Envelope, frozen=True, kw_only=True, tag="rapport.tier.changed.v1"):
    """`tier-changes.v1` (key = client id)."""

    practiceid: Text
    data: TierChange


MessageState = Literal[
    "drafted",
    "scheduled",
    "deferred",
    "sending",
    "awaiting_staff",
    "accepted",
    "delivered",
    "bounced",
    "failed",
    "suppressed",
    "cancelled",
    "expired",
    "unknown",
]


class Message(Payload, frozen=True, kw_only=True):
    """One intended contact and its state; never a text, a name or an address."""

    message_id: Text
    client_id: Text
    play: Text
    step: Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]
    tier_version: Sequence
    channel: Text | None
    purpose: Literal["service", "care", "marketing"]
    state: MessageState
    reason: Text | None = None
    at: Instant


class MessageChanged(Envelope, frozen=True, kw_only=True, tag="rapport.message.changed.v1"):
    """`outreach-events.v1` (key = client id): a message reached another state."""

    practiceid: Text
    data: Message


CanonicalEvent = (
    ActivityRecorded | WatermarkAdvanced | PracticeRegistered | TierChanged | MessageChanged
)
