"""A practice's messages in the memory of one test."""

from collections.abc import Mapping
from datetime import datetime

from outreach_service.domain.consents import Subscription
from outreach_service.domain.message_views import AttemptRow
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.contacts import ContactPoint
from outreach_service.ports.records import MessageKey, StoredMessage
from outreach_service.store.changes import change_to_json
from tests.support.memory.outreach_rows import (
    Rows,
    attempts_of,
    message_row,
    permitted,
    shown_name,
)


class MemoryMessageTable:
    """See `MessageTable`; of `practice_id` alone, when there is one."""

    def __init__(self, rows: Rows, practice_id: str | None) -> None:
        self._rows = rows
        self._practice_id = practice_id

    def find(self, key: MessageKey) -> StoredMessage | None:
        row = self._rows.messages.get(key)
        if row is None or not self._sees(key.practice_id):
            return None
        planned = row.planned
        return StoredMessage(
            practice_id=key.practice_id,
            partition=planned.partition,
            row=message_row(row),
            change=change_to_json(planned.change),
            play=planned.play,
            template=row.template,
        )

    def lock(self, key: MessageKey) -> StoredMessage | None:
        return self.find(key)

    def attempts(self, key: MessageKey) -> list[AttemptRow]:
        return attempts_of(self._rows, key) if self._sees(key.practice_id) else []

    def contact_points(
        self, practice_id: str, client_id: str, purpose: str
    ) -> Mapping[Channel, ContactPoint]:
        return {
            key.channel: ContactPoint(
                contact.name,
                contact.language,
                Subscription(*key, Purpose(purpose)) in permitted(self._rows),
            )
            for key, contact in self._rows.contacts.items()
            if key[:2] == (practice_id, client_id) and self._sees(practice_id)
        }

    def practice_name(self, practice_id: str) -> str | None:
        practice = self._rows.practices.get(practice_id)
        return None if practice is None else shown_name(practice)

    def approve(self, key: MessageKey, state: str, now: datetime) -> None:
        row = self._rows.messages[key]
        row.state, row.reason, row.approved = state, None, True
        row.decide_at = row.changed_at = now

    def cancel(self, key: MessageKey, state: str, reason: str, now: datetime) -> None:
        row = self._rows.messages[key]
        row.state, row.reason, row.changed_at = state, reason, now

    def _sees(self, practice_id: str) -> bool:
        return self._practice_id in {None, practice_id}
