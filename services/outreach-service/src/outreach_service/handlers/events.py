"""The events that tell of messages' new states."""

from datetime import datetime

from outreach_service.domain.messages import State
from outreach_service.domain.terms import Channel
from outreach_service.ports.records import (
    DueMessage,
    MessageEvent,
    PlannedMessage,
    StoredMessage,
    TriedMessage,
)


def message_event(
    message: PlannedMessage | DueMessage,
    at: datetime,
    *,
    state: State,
    channel: Channel | None,
    reason: str | None,
) -> MessageEvent:
    """The event of a message that was planned or decided on."""
    return MessageEvent(
        practice_id=message.change.practice_id,
        message_id=message.message_id,
        client_id=message.change.client_id,
        partition=message.partition,
        play=message.play.key,
        step=message.step,
        occasion=message.occasion,
        channel=channel,
        purpose=str(message.play.purpose),
        state=str(state),
        reason=reason,
        at=at,
    )


def outcome_event(
    message: TriedMessage, at: datetime, *, state: State, reason: str | None
) -> MessageEvent:
    """The event of a message whose attempt has an outcome."""
    return MessageEvent(
        practice_id=message.practice_id,
        message_id=message.message_id,
        client_id=message.client_id,
        partition=message.partition,
        play=message.play,
        step=message.step,
        occasion=message.occasion,
        channel=message.channel,
        purpose=message.purpose,
        state=str(state),
        reason=reason,
        at=at,
    )


def steering_event(
    message: StoredMessage, at: datetime, *, state: State, reason: str | None
) -> MessageEvent:
    """The event of a message that a person approved or cancelled."""
    row = message.row
    return MessageEvent(
        practice_id=message.practice_id,
        message_id=row.message_id,
        client_id=row.client_id,
        partition=message.partition,
        play=row.play,
        step=row.step,
        occasion=row.occasion,
        channel=row.channel,
        purpose=row.purpose,
        state=str(state),
        reason=reason,
        at=at,
    )
