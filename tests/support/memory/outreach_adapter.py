"""Outreach's stores in memory, as the suites ask for an adapter."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from outreach_service.domain.consents import ConsentStatement
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import ContactKey, StoredPlaybook
from tests.support.doubles.open_cipher import A_PHONE
from tests.support.memory.harbour import NOON
from tests.support.memory.keys import Ends, ends_of
from tests.support.memory.outreach import MemoryStores
from tests.support.memory.outreach_rows import Consent, Contact, put_consent, put_contact


class MemoryAdapter:
    """See `StoreAdapter`."""

    def __init__(self, *, undoes: bool = True) -> None:
        self.stores = self.api_stores = MemoryStores(undoes=undoes)

    def read_up_to(self, instant: datetime) -> None:
        self.stores.business_time = instant

    def pass_real_time(self, seconds: float) -> None:
        self.stores.real_time += timedelta(seconds=seconds)

    def put_contact(self, key: ContactKey, blind_index: str) -> None:
        put_contact(self.stores.rows, key, Contact(A_PHONE, "sealed", "en", blind_index))

    def put_consent(self, key: ContactKey, purpose: Purpose, *, granted: bool) -> None:
        number = len(self.stores.rows.consents)
        about = (key.client_id, key.channel, purpose, granted, "form", "1")
        at = NOON + timedelta(seconds=number)
        statement = ConsentStatement(f"s{number}", at, *about)
        put_consent(self.stores.rows, Consent(key.practice_id, statement, at))

    def put_playbook(self, practice_id: str, document: Mapping[str, Any]) -> None:
        self.stores.rows.playbooks[practice_id] = StoredPlaybook(1, document, NOON)

    def put_permits(self, channel: Channel, tokens: int) -> None:
        self.stores.rows.permits[channel] = tokens

    def pause(self, practice_id: str) -> None:
        self.stores.rows.paused.add(practice_id)

    def restored_at(self, instant: datetime) -> None:
        self.stores.rows.fence = instant

    def save_key(self, key: dict[str, Any]) -> None:
        with self.stores.open() as store:
            store.inputs.save_key(key)

    def key_ends(self) -> Ends:
        return ends_of(self.stores.rows.keys)

    def events(self) -> Sequence[tuple[str, str]]:
        return [(each.message_id, each.state) for each in self.stores.rows.events]
