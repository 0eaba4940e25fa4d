"""Wire words to domain words and back; nothing else knows both."""

import uuid
from datetime import datetime
from typing import Any, Final

from outreach_service.domain.care import STATEMENTS, CareWord, Flag, FlagKind, FlagState
from outreach_service.domain.consents import ConsentStatement
from outreach_service.domain.generations import Booking, Fact, Opening, Told
from outreach_service.domain.terms import Change, Channel, Direction, Origin, Purpose
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold, MessageEvent
from rapport_contracts import canonical, codec, topics
from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.names import names_in
from rapport_contracts.ranges import EARLIEST, LATEST
from rapport_contracts.words import SIGNAL_KINDS
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import Sender, Watermark

SOURCE = "outreach-service"
FIRST_GENERATION: Final = 1

BOOKED: Final = "booked"
REGISTERED: Final = "registered"
CLIENT_SIGNALLED: Final = frozenset(
    {"consulted", "visited", "enquired", "engaged", "referral_made"}
)
"""The kinds of signals by which a client was active, where one is not taken back. Sources report
what clients did, never what we sent (F47)."""
CLIENT_DID: Final = CLIENT_SIGNALLED | {
    *("requested", BOOKED, "completed", "no_show", "cancelled", "settled", "refunded")
}
"""The known kinds by which a client was active; a registration is our doing (C-15)."""
NOT_BY_CLIENT: Final = frozenset({REGISTERED, *SIGNAL_KINDS}) - CLIENT_SIGNALLED


def decode(
    topic: str, key: bytes | None, value: bytes | None
) -> canonical.CanonicalEvent | canonical.UnknownEvent | Watermark:
    """The event in a record, or the time that it carries. Raises InvalidRecord."""
    try:
        event = codec.decode(topic, key, value)
    except InvalidEvent as error:
        raise InvalidRecord(error.reason, error.detail, field=error.field) from error
    if isinstance(event, canonical.WatermarkAdvanced):
        return Watermark(event.data.up_to, event.incarnation)
    if isinstance(event, canonical.ActivityRecorded):
        _refuse_out_of_range(event, "starts_at", event.data.starts_at)
    elif isinstance(event, canonical.TierChanged):
        _refuse_out_of_range(event, "effective_at", event.data.effective_at)
    return event


def sender(value: bytes | None) -> Sender:
    """Whom the value of a record names."""
    return Sender._make(names_in(value))


def practice(event: canonical.PracticeRegistered) -> dict[str, Any]:
    """A practice as the store keeps it."""
    data = event.data
    return {
        "practice_id": data.practice_id,
        "name": data.name,
        "zone": data.zone,
        "currency": data.currency,
        "region": data.region,
        "discreet_name": data.discreet_name,
        "said_at": event.time,
    }


def hold(event: canonical.HoldChanged, partition: int) -> Hold:
    """A hold as a partition tells it."""
    data = event.data
    return Hold(
        practice_id=event.practiceid,
        partition=partition,
        hold_id=data.hold_id,
        reason=data.reason,
        incarnation=event.incarnation,
        stands_at=data.since,
    )


def knows_kind(event: canonical.ActivityRecorded) -> bool:
    """Whether this version knows what the activity is."""
    return event.data.kind in CLIENT_DID or event.data.kind in NOT_BY_CLIENT


def activity_seen(event: canonical.ActivityRecorded) -> ActivitySeen | None:
    """The activity of a client; None for one by which the client was not active.

    By one of an unknown kind the client may have been active, so it counts: a message that waits
    for silence must not go past it.
    """
    data = event.data
    if data.kind in NOT_BY_CLIENT or (data.kind in CLIENT_SIGNALLED and data.count < 0):
        return None
    return ActivitySeen(event.practiceid, data.client_id, data.occurred_at, data.generation)


def booking_delta(event: canonical.ActivityRecorded) -> BookingDelta | None:
    """What an activity changes about bookings to come; None for one that is no booking."""
    data = event.data
    if data.kind != BOOKED or data.starts_at is None:
        return None
    return BookingDelta(
        event.practiceid,
        data.client_id,
        data.activity_id or event.id,
        data.starts_at,
        data.count,
        data.generation,
    )


def told(event: canonical.ActivityRecorded) -> Told:
    """An activity as one of its client's generation."""
    data, seen, delta = event.data, activity_seen(event), booking_delta(event)
    return Told(
        (event.practiceid, data.client_id),
        data.generation,
        Fact(
            data.sequence,
            data.last_of_cause,
            None if seen is None else seen.at,
            None if delta is None else Booking(delta.activity_id, delta.starts_at, delta.delta),
        ),
    )


def opened(event: canonical.GenerationOpened) -> Told:
    """Whose facts are said anew, as which generation, and how many."""
    data = event.data
    return Told((event.practiceid, data.client_id), data.generation, Opening(data.facts))


def told_by_number(event: canonical.UnknownEvent) -> Told | None:
    """An event of an unknown type as one of its client's generation; None when it does not say of
    which, or is of the first, where nothing goes by numbers."""
    if event.practice_id is None or event.client_id is None or event.sequence is None:
        return None
    if event.generation in {None, FIRST_GENERATION}:
        return None
    client = (event.practice_id, event.client_id)
    return Told(client, event.generation, Fact(event.sequence))


def change(event: canonical.TierChanged) -> Change:
    """A tier change in outreach's words."""
    data = event.data
    return Change(
        practice_id=event.practiceid,
        client_id=data.client_id,
        scheme=data.scheme,
        version=data.version,
        primary=data.primary,
        from_tier=data.from_tier,
        to_tier=data.to_tier,
        direction=Direction(data.direction),
        reason=data.reason,
        origin=Origin(data.origin),
        effective_at=data.effective_at,
        happened_at=data.happened_at,
        from_rank=data.from_rank,
        to_rank=data.to_rank,
    )


def message_changed(message: MessageEvent, incarnation: str | None = None) -> Outgoing:
    """The record of the event that a message reached another state, with the incarnation of the
    database."""
    event = canonical.MessageChanged(
        id=uuid.uuid4().hex,
        source=SOURCE,
        time=message.at,
        practiceid=message.practice_id,
        subject=message.client_id,
        incarnation=incarnation,
        data=canonical.Message(
            message_id=message.message_id,
            client_id=message.client_id,
            play=message.play,
            step=message.step,
            occasion=canonical.Occasion(kind=message.occasion.kind, id=message.occasion.id),
            channel=message.channel,
            purpose=message.purpose,
            state=message.state,
            reason=message.reason,
            at=message.at,
        ),
    )
    return Outgoing(
        topics.OUTREACH_EVENTS.name,
        message.partition,
        message.client_id.encode(),
        codec.encode(event),
    )


def _refuse_out_of_range(
    event: canonical.ActivityRecorded | canonical.TierChanged, name: str, at: datetime | None
) -> None:
    """No writer of ours sends such an instant, and sums with it could not be stored."""
    if at is not None and not EARLIEST <= at < LATEST:
        raise InvalidRecord(
            "invalid-field",
            f"must be from {EARLIEST.date()} on and before {LATEST.date()}",
            field=f"/data/{name}",
            practice_id=event.practiceid,
        )


def case_of(event: canonical.ActivityRecorded) -> Flag | None:
    """Where a case stands after an activity; None for any other. What is taken back is closed, and
    what holds instead follows."""
    data = event.data
    if data.kind not in {"case_opened", "case_closed"} or data.object_id is None:
        return None
    state = FlagState.CLOSED
    if data.count > 0 and data.kind == "case_opened":
        state = FlagState.OPEN
    elif data.count > 0 and data.attributes.get("outcome") in {"completed", "transferred"}:
        state = FlagState.ENDED
    key = event.practiceid, data.client_id, data.object_id
    return Flag(*key, FlagKind.CASE, state, data.occurred_at, data.sequence)


def care_word(event: CareRecorded) -> CareWord:
    """A signal of care in outreach's words."""
    data = event.data
    return CareWord(
        event.practiceid,
        data.client_id,
        data.sequence,
        data.kind,
        data.object_id,
        data.occurred_at,
        data.accepted_at,
        data.source,
        data.cause_id,
        data.attributes,
    )


def statement_of(word: CareWord) -> ConsentStatement | None:
    """The statement of consent in a signal of care; None for any other. Its id is made of the
    source's event. Raises InvalidRecord."""
    granted = STATEMENTS.get(word.kind)
    if granted is None:
        return None
    said = word.attributes
    for name in ("channel", "purpose", "evidence", "text_version"):
        if not isinstance(said.get(name), str):
            raise _invalid_statement(word, name)
    if said["channel"] not in {*Channel}:
        raise _invalid_statement(word, "channel")
    if said["purpose"] not in {*Purpose}:
        raise _invalid_statement(word, "purpose")
    return ConsentStatement(
        id=f"{word.source}/{word.cause_id}",
        stated_at=word.occurred_at,
        client_id=word.client_id,
        channel=Channel(said["channel"]),
        purpose=Purpose(said["purpose"]),
        granted=granted,
        evidence=said["evidence"],
        text_version=said["text_version"],
    )


def _invalid_statement(word: CareWord, name: str) -> InvalidRecord:
    return InvalidRecord(
        "invalid-field",
        "is not one that this version knows",
        field=f"/data/attributes/{name}",
        practice_id=word.practice_id,
    )
