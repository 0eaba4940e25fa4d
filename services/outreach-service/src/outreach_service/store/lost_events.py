"""The messages of which the topic knows more than a restored database, for `restored`."""

from collections.abc import Sequence

import sqlalchemy as sa

from rapport_contracts.canonical import MessageChanged
from rapport_contracts.codec import event_or_none
from rapport_runtime.stream.restored import LostRecord


def report_lost(_tx: sa.Connection, records: Sequence[LostRecord]) -> list[str]:
    """A line for each message whose last states are lost, with the state that the topic has; fields
    are separated by tabs."""
    last: dict[tuple[str, str], str] = {}
    for record in records:
        event = event_or_none(record.topic, record.key, record.value)
        if isinstance(event, MessageChanged):
            data = event.data
            last[event.practiceid, data.message_id] = (
                f"client {data.client_id}\t{data.play}\t{data.state}\t{data.at.isoformat()}"
            )
    return [
        f"message\t{practice_id}\t{message_id}\t{state}"
        for (practice_id, message_id), state in last.items()
    ]
