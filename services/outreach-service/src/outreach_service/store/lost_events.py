"""The messages of which the topic knows more than a restored database, for `restored`."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from outreach_service.domain.messages import State
from rapport_contracts.canonical import Message, MessageChanged
from rapport_contracts.codec import event_or_none
from rapport_runtime.stream.restored import LostRecord

_MAY_HAVE_GONE: Final = (
    State.SENDING,
    State.UNKNOWN,
    State.BOUNCED,
    State.ACCEPTED,
    State.DELIVERED,
)
"""The states in which a provider may have the message, the surest last."""


def report_lost(_tx: sa.Connection, records: Sequence[LostRecord]) -> list[str]:
    """A line for each message whose last states are lost, with the state that the topic has; fields
    are separated by tabs.

    A state in which a provider may have the message stands before any later one: after an earlier
    restore a message that was sent may have been planned again, and who goes by the last state
    would approve it.
    """
    lost: dict[tuple[str, str], list[Message]] = {}
    for record in records:
        event = event_or_none(record.topic, record.key, record.value)
        if isinstance(event, MessageChanged):
            lost.setdefault((event.practiceid, event.data.message_id), []).append(event.data)
    return [
        f"message\t{practice_id}\t{message_id}\t{_told(states)}"
        for (practice_id, message_id), states in lost.items()
    ]


def _told(states: Sequence[Message]) -> str:
    last, shown = states[-1], max(reversed(states), key=_how_sure)
    told = f"client {shown.client_id}\t{shown.play}\t{shown.state}\t{shown.at.isoformat()}"
    return told if shown is last else f"{told}\tlater {last.state}\t{last.at.isoformat()}"


def _how_sure(message: Message) -> int:
    """How sure it is that the provider has the message; -1 where it has not."""
    return _MAY_HAVE_GONE.index(message.state) if message.state in _MAY_HAVE_GONE else -1
