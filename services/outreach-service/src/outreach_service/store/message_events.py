"""The events of messages, for the outbox."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.messages import State
from outreach_service.domain.terms import Channel
from outreach_service.ports import DueMessage, MessageEvent, PlannedMessage


def message_event(
    message: PlannedMessage | DueMessage,
    at: datetime,
    *,
    state: State,
    channel: Channel | None,
    reason: str | None,
) -> MessageEvent:
    """What became of a message that was planned or decided upon."""
    return MessageEvent(
        practice_id=message.change.practice_id,
        message_id=message.message_id,
        client_id=message.change.client_id,
        partition=message.partition,
        play=message.play.key,
        step=message.step,
        tier_version=message.change.version,
        channel=channel,
        purpose=str(message.play.purpose),
        state=str(state),
        reason=reason,
        at=at,
    )


def message_event_of_row(
    row: sa.Row[Any], *, state: str, reason: str | None, at: datetime
) -> MessageEvent:
    """What became of a message, from its row."""
    return MessageEvent(
        practice_id=row.practice_id,
        message_id=row.message_id,
        client_id=row.client_id,
        partition=row.partition,
        play=row.play,
        step=row.step,
        tier_version=row.tier_version,
        channel=row.channel,
        purpose=row.purpose,
        state=state,
        reason=reason,
        at=at,
    )
