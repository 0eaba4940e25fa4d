"""Contacts, consents and playbooks in the memory of one test; of `practice_id` alone, when there is
one."""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from outreach_service.domain.consents import (
    Appended,
    ConsentStatement,
    RecordedStatement,
    Recording,
)
from outreach_service.domain.contact_points import Point
from outreach_service.domain.permissions import ClientWord
from outreach_service.ports.contacts import PracticeHome, SealedContact, StoredContact
from outreach_service.ports.records import ContactKey, RestingPoint, StoredPlaybook
from tests.support.memory.outreach_rows import (
    Consent,
    Contact,
    Rows,
    rest_of,
    stated,
)


class MemoryContacts:
    """See `Contacts`."""

    def __init__(self, rows: Rows, practice_id: str | None) -> None:
        self._rows = rows
        self._practice_id = practice_id

    def save(self, practice_id: str, contacts: Sequence[SealedContact]) -> None:
        keys = [ContactKey(practice_id, each.client_id, each.channel) for each in contacts]
        assert len(set(keys)) == len(keys)
        for key, each in zip(keys, contacts, strict=True):
            self._rows.contacts[key] = Contact(
                each.address, each.name, each.language, each.blind_index, each.zone
            )

    def remove(self, key: ContactKey) -> bool:
        if self._practice_id not in {None, key.practice_id}:
            return False
        return self._rows.contacts.pop(key, None) is not None

    def of_client(
        self, practice_id: str, client_id: str, now: datetime | None
    ) -> list[StoredContact]:
        if self._practice_id not in {None, practice_id}:
            return []
        found = [
            StoredContact(
                key,
                contact.address,
                contact.language,
                rest_of(self._rows, key, now),
                contact.zone,
            )
            for key, contact in self._rows.contacts.items()
            if key[:2] == (practice_id, client_id)
        ]
        return sorted(found, key=lambda each: each.key.channel)

    def points(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[ContactKey, list[Point]]:
        return {
            key: list(history)
            for key, history in self._rows.points.items()
            if self._practice_id in {None, practice_id}
            and key.practice_id == practice_id
            and key.client_id in client_ids
        }

    def add_points(self, points: Sequence[tuple[ContactKey, Point]]) -> None:
        for key, point in points:
            history = self._rows.points.setdefault(key, [])
            assert point.valid_from not in {each.valid_from for each in history}
            insort(history, point, key=lambda each: each.valid_from)

    def home(self, practice_id: str) -> PracticeHome | None:
        practice = self._rows.practices.get(practice_id)
        if practice is None or self._practice_id not in {None, practice_id}:
            return None
        return PracticeHome(practice.get("region"), practice["zone"] or "")

    def rest(self, points: Sequence[RestingPoint]) -> None:
        for each in points:
            self._rows.rests[each.practice_id, each.blind_index] = each.rest


class MemoryConsents:
    """See `Consents`."""

    def __init__(self, rows: Rows, practice_id: str | None) -> None:
        self._rows = rows
        self._practice_id = practice_id

    def append(
        self, practice_id: str, statements: Sequence[ConsentStatement], recording: Recording
    ) -> Appended:
        kept = {
            each.statement.id: each.statement
            for each in self._rows.consents
            if each.practice_id == practice_id
        }
        clients = set()
        for each in statements:
            if each.id not in kept:
                kept[each.id] = each
                clients.add(each.client_id)
                added = Consent(practice_id, each, recording.at, recording.by)
                self._rows.consents.append(added)
        return Appended({each.id: kept[each.id] for each in statements}, clients)

    def statements(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[str, list[RecordedStatement]]:
        if self._practice_id not in {None, practice_id}:
            return {}
        found = {each: stated(self._rows, practice_id, each) for each in client_ids}
        return {client_id: each for client_id, each in found.items() if each}

    def save_client_words(self, practice_id: str, words: Mapping[str, ClientWord]) -> None:
        for client_id, each in words.items():
            self._rows.client_words[practice_id, client_id] = each


class MemoryPlaybooks:
    """See `Playbooks`; `now` is the real clock."""

    def __init__(self, rows: Rows, practice_id: str | None, now: datetime) -> None:
        self._rows = rows
        self._practice_id = practice_id
        self._now = now

    def find(self, practice_id: str) -> StoredPlaybook | None:
        if self._practice_id not in {None, practice_id}:
            return None
        return self._rows.playbooks.get(practice_id)

    def save(self, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
        before = self.find(practice_id)
        saved = StoredPlaybook(before.version + 1 if before else 1, body, self._now)
        self._rows.playbooks[practice_id] = saved
        return saved
