"""Wire words to domain words and back; nothing else knows both."""

import uuid
from typing import Literal, cast

from outreach_service.domain.terms import Change, Direction, Origin, Reason
from outreach_service.ports.records import ActivitySeen, BookingDelta, MessageEvent
from rapport_contracts import canonical, codec, topics
from rapport_contracts.errors import InvalidEvent
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import Watermark

SOURCE = "outreach-service"
PurposeWord = Literal["service", "care", "marketing"]


def decode(
    topic: str, key: bytes | None, value: bytes | None
) -> canonical.CanonicalEvent | Watermark:
    """The event in a record, or the time that it carries. Raises InvalidRecord."""
    try:
        event = codec.decode(topic, key, value)
    except InvalidEvent as error:
        raise InvalidRecord(error.reason, error.detail, field=error.field) from error
    return Watermark(event.data.up_to) if isinstance(event, canonical.WatermarkAdvanced) else event


def practice(event: canonical.PracticeRegistered) -> dict[str, str]:
    """A practice as the store keeps it."""
    data = event.data
    return {
        "practice_id": data.practice_id,
        "name": data.name,
        "zone": data.zone,
        "currency": data.currency,
    }


def activity_seen(event: canonical.ActivityRecorded) -> ActivitySeen | None:
    """The activity of a client; None for a registration, which is our doing (C-15)."""
    if event.data.kind == "registered" or event.practiceid is None:
        return None
    return ActivitySeen(event.practiceid, event.data.client_id, event.data.occurred_at)


def booking_delta(event: canonical.ActivityRecorded) -> BookingDelta | None:
    """What an activity changes about bookings to come; None for one that is no booking."""
    data = event.data
    if data.kind != "booked" or data.starts_at is None or event.practiceid is None:
        return None
    return BookingDelta(event.practiceid, data.client_id, data.sequence, data.starts_at, data.count)


def change(event: canonical.TierChanged) -> Change:
    """A tier change in outreach's words."""
    data = event.data
    return Change(
        practice_id=event.practiceid or "",
        client_id=data.client_id,
        version=data.version,
        from_tier=data.from_tier,
        to_tier=data.to_tier,
        direction=Direction(data.direction),
        reason=Reason(data.reason),
        origin=Origin(data.origin),
        effective_at=data.effective_at,
    )


def message_changed(message: MessageEvent) -> Outgoing:
    """The record of the event that a message reached another state."""
    event = canonical.MessageChanged(
        id=uuid.uuid4().hex,
        source=SOURCE,
        time=message.at,
        practiceid=message.practice_id,
        subject=message.client_id,
        data=canonical.Message(
            message_id=message.message_id,
            client_id=message.client_id,
            play=message.play,
            step=message.step,
            tier_version=message.tier_version,
            channel=message.channel,
            purpose=cast(PurposeWord, message.purpose),
            state=cast(canonical.MessageState, message.state),
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
