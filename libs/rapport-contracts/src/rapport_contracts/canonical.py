"""The events that Rapport's services send, to each other and to subscribers: strict and fast."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.envelope import (
    Envelope,
    Incarnation,
    Instant,
    Int32,
    Int64,
    Payload,
    PracticeId,
    Sequence,
    Text,
)
from rapport_contracts.ranges import EARLIEST, FIRST_DAY, LAST_DAY, LATEST, REGION
from rapport_contracts.words import (
    ActivityKind,
    Assumption,
    Canceller,
    ChangeReason,
    Channel,
    GenerationReason,
    HoldReason,
    MessageState,
    OccasionKind,
    Purpose,
)

Direction = Literal["entered", "upgraded", "downgraded", "moved", "left"]
Origin = Literal["live", "backfill"]
Score = Annotated[
    Decimal,
    msgspec.Meta(
        description="0.00 to 100.00, two decimals, as a string",
        extra_json_schema={"pattern": r"^(100\.00|[0-9]{1,2}\.[0-9]{2})$"},
    ),
]
Rank = Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]
OccasionId = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Activity(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """One delta of one client's facts, on the practice-local day on which it counts.

    `count` and `amount_minor` are signed: a correction is a new activity that carries the
    difference, names the older activity in `refers_to`, and counts on the older one's day.
    `sequence` is gapless per client and `generation`. Amounts are minor units of `currency`.
    `source` and `cause_id` name the source event that caused it; `last_of_cause` says that no
    further activity of this client follows from that event. `object_id` is the booking, payment or
    case: random, and the same for ever. `backfill` says that its sender reported it as history.
    `attributes` are the practice's own codes, such as `counsellor_id`, and `units`, the hours of a
    package. An activity `cancelled` says by whom and when, `requested` that a booking is not
    confirmed; neither counts for a tier. `activity_id` is the activity's own id, to which
    `refers_to` and tier changes refer; it is the event's, unless the event says an older activity
    anew. A field that has its default is not written.
    """

    client_id: Text
    generation: Sequence
    sequence: Sequence
    kind: ActivityKind
    on: date
    zone: Text
    count: Int32
    amount_minor: Int64 = 0
    currency: Currency | None = None
    occurred_at: Instant
    accepted_at: Instant
    refers_to: Text | None = None
    starts_at: Instant | None = None
    object_id: Text | None = None
    source: Text | None = None
    cause_id: Text | None = None
    last_of_cause: bool = True
    backfill: bool = False
    attributes: dict[Text, Text | int | bool] = {}  # noqa: RUF012  # msgspec copies it
    cancelled_by: Canceller | None = None
    cancelled_at: Instant | None = None
    activity_id: Text | None = None

    def __post_init__(self) -> None:
        """Refuse a day or an instant that no reader's calendar holds; the decoder reports it by
        field. A zone may be newer than a reader, so only its intake asks whether it is one."""
        if not FIRST_DAY <= self.on <= LAST_DAY:
            msg = f"Expected {FIRST_DAY} to {LAST_DAY} in field `on`"
            raise ValueError(msg)
        if not EARLIEST <= self.occurred_at < LATEST:
            msg = f"Expected {EARLIEST} or later, before {LATEST}, in field `occurred_at`"
            raise ValueError(msg)
        if not EARLIEST <= self.accepted_at < LATEST:
            msg = f"Expected {EARLIEST} or later, before {LATEST}, in field `accepted_at`"
            raise ValueError(msg)


class ActivityRecorded(Envelope, frozen=True, kw_only=True, tag="rapport.activity.recorded.v1"):
    """`client-activity.v1`: something that a client did, or the correction of it."""

    practiceid: PracticeId
    data: Activity


class GenerationOpening(Payload, frozen=True, kw_only=True):
    """A client's facts are said anew: the activities 1 to `facts` of `generation` replace those of
    the generations before, once all of them have come. All activities of the client that follow are
    of it, new ones too, whose sequences go on behind `facts`.

    Fold it beside the sums that you have, each sequence once, in whatever order they come; when 1
    to `facts` are complete, and the last activity that you have is the last of its source event,
    replace your sums by it. Act on none of the activities 1 to `facts`: they are old. Pass over
    what comes of a generation below the one that you have, and give up one that is not complete
    when a later one opens. Numbers of generations only ever rise, not by one.
    `rapport_contracts/generations.py` is this rule as code.
    """

    client_id: Text
    generation: Sequence
    reason: GenerationReason
    facts: Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class GenerationOpened(Envelope, frozen=True, kw_only=True, tag="rapport.generation.opened.v1"):
    """`client-activity.v1`: a new generation of a client's activities begins after this record."""

    practiceid: PracticeId
    data: GenerationOpening


class Hold(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """While a hold is open (`held`), no tier of the practice falls by time. The reason says how.

    `deferred`, and any that a reader does not know: the practice stands at `since`. For its clients
    no time passes beyond that instant, whatever the watermarks say, and what comes of it meanwhile
    was accepted by then. The same `hold_id` again with a later `since` moves the practice on to
    that instant. At the end time passes up to the watermark, through every midnight that was
    missed. Of several such holds the earliest `since` counts.

    `silent` (`source` says nothing for longer than it should) and `import`: time goes on, but from
    `since` on no midnight lowers a tier. What comes meanwhile counts at once. At the end what was
    held takes effect, once, on that day, with the midnight that was missed as `due_on`.

    With `held` false a hold ends; `since` is then when it ended. When the sender's `incarnation`
    changes, a hold of the one before has ended, unless it is said again.
    """

    hold_id: Text
    reason: HoldReason
    source: Text | None = None
    held: bool
    since: Instant


class HoldChanged(Envelope, frozen=True, kw_only=True, tag="rapport.hold.changed.v1"):
    """`client-activity.v1` (key = practice id), on every partition: a hold begins, moves on or
    ends. Each partition has it before, or at an end after, the activities that it concerns."""

    practiceid: PracticeId
    data: Hold


class Watermark(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """On this partition, all that reached the writer up to `up_to` stands before this record.

    `last_event_id` is the id of the last event before it that is no watermark.
    """

    up_to: Instant
    last_event_id: Text | None = None


class WatermarkAdvanced(Envelope, frozen=True, kw_only=True, tag="rapport.watermark.advanced.v1"):
    """Time as a record, on every partition of `client-activity.v1`, `care-signals.v1` and
    `tier-changes.v1`: business time. On `keys.v1` it is real time: who has not read one for long
    does not know which keys hold."""

    data: Watermark


class Practice(Payload, frozen=True, kw_only=True):
    """A practice: its zone (IANA) decides its days, its currency its amounts (ISO 4217). `region`
    (ISO 3166-1 alpha-2) is its country, in which phone numbers are read; `discreet_name` is what
    messages show as its name, which does not say what its clients come for."""

    practice_id: Text
    name: Text
    zone: Text
    currency: Currency
    region: Annotated[str, msgspec.Meta(pattern=REGION, max_length=2)] | None = None
    discreet_name: Text | None = None


class PracticeRegistered(Envelope, frozen=True, kw_only=True, tag="rapport.practice.registered.v1"):
    """`practices.v1` (compacted, key = practice id): a practice as it is now."""

    practiceid: PracticeId
    data: Practice


class Key(Payload, frozen=True, kw_only=True):
    """An API key without its secret, of which `secret_sha256` is the hash, in hexadecimal digits.

    `practice_id` null is an operator's. A key only ever ends: by `expires_at`, which may come
    nearer, or by `revoked_at`; an older record never revives it.
    """

    key_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
    secret_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    practice_id: Text | None
    scopes: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    label: Annotated[str, msgspec.Meta(max_length=100)]
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class KeyChanged(Envelope, frozen=True, kw_only=True, tag="rapport.key.changed.v1"):
    """`keys.v1` (compacted, key = key id): an API key as it is now."""

    data: Key


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
    assumes: Assumption
    rulebook_version: Version
    cohort_version: Version | None = None


class TierChange(Payload, frozen=True, kw_only=True):
    """A client's move between tiers of one scheme; `version` is gapless per client and scheme.

    `primary` says that the practice acts on this scheme; others stand beside it. `direction` is
    `moved` between tiers without order, and `score` null where the scheme has none. `from_rank` and
    `to_rank` are the tiers' places in the scheme's order, 0 the lowest: by them two changes add up
    to one; null in a scheme without order, and for no tier.
    `effective_at` is exact in time: the midnight for a change by time. `due_on` is the local day on
    which a change was due that was held until then. `happened_at` is the time of the causing fact,
    null for a change by time. `activity_id` is that fact's event id.
    """

    client_id: Text
    scheme: Text
    version: Sequence
    rulebook_version: Version
    primary: bool
    from_tier: Text | None
    from_rank: Rank | None = None
    to_tier: Text
    to_rank: Rank | None = None
    direction: Direction
    reason: ChangeReason
    origin: Origin
    effective_at: Instant
    due_on: date | None = None
    happened_at: Instant | None
    activity_id: Text | None
    score: Score | None
    explanation: tuple[Line, ...]
    next_transition: NextTransition | None = None
    zone: Text

    def __post_init__(self) -> None:
        """Refuse a score that is not a number from 0 to 100; the decoder reports it by field."""
        score = self.score
        if score is not None and not (score.is_finite() and 0 <= score <= 100):
            msg = "Expected 0.00 to 100.00 in field `score`"
            raise ValueError(msg)


class TierChanged(Envelope, frozen=True, kw_only=True, tag="rapport.tier.changed.v1"):
    """`tier-changes.v1` (key = client id)."""

    practiceid: PracticeId
    data: TierChange


class Occasion(Payload, frozen=True, kw_only=True):
    """What a message answers: for kind `tier` a tier change, with the id `scheme:version`."""

    kind: OccasionKind
    id: OccasionId


class Message(Payload, frozen=True, kw_only=True):
    """One intended contact and its state; never a text, a name or an address.

    A message is one for each client, play, occasion and step.
    """

    message_id: Text
    client_id: Text
    play: Text
    step: Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]
    occasion: Occasion
    channel: Channel | None
    purpose: Purpose
    state: MessageState
    reason: Text | None = None
    at: Instant


class MessageChanged(Envelope, frozen=True, kw_only=True, tag="rapport.message.changed.v1"):
    """`outreach-events.v1` (key = client id): a message reached another state."""

    practiceid: PracticeId
    data: Message


class UnknownEvent(Payload, frozen=True, kw_only=True):
    """An event on a known topic whose type this version does not know: passed over, and counted.

    What it numbers is kept, so that a reader of a client's sequence meets no gap; None where the
    event does not say it.
    """

    type: str
    practice_id: Text | None = None
    client_id: Text | None = None
    generation: Sequence | None = None
    sequence: Sequence | None = None
    incarnation: Incarnation | None = None


CanonicalEvent = (
    ActivityRecorded
    | CareRecorded
    | GenerationOpened
    | HoldChanged
    | WatermarkAdvanced
    | PracticeRegistered
    | KeyChanged
    | TierChanged
    | MessageChanged
)
