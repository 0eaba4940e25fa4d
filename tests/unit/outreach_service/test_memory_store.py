"""The stores in memory keep the promises of the ports, as those on Postgres do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach_service.domain.consents import ConsentStatement
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import ContactKey, StoredPlaybook
from tests.support.memory.harbour import NOON
from tests.support.memory.outreach import MemoryStores
from tests.support.memory.outreach_preferences_suite import PreferencesSuite
from tests.support.memory.outreach_refusals_suite import RefusalsSuite
from tests.support.memory.outreach_rows import Consent, Contact
from tests.support.memory.outreach_suite import StoreSuite


class MemoryAdapter:
    """See `StoreAdapter`."""

    def __init__(self) -> None:
        self.stores = self.api_stores = MemoryStores()

    def read_up_to(self, instant: datetime) -> None:
        self.stores.business_time = instant

    def pass_real_time(self, seconds: float) -> None:
        self.stores.real_time += timedelta(seconds=seconds)

    def put_contact(self, key: ContactKey, blind_index: str) -> None:
        self.stores.rows.contacts[key] = Contact("sealed", "sealed", "en", blind_index)

    def put_consent(self, key: ContactKey, purpose: Purpose, *, granted: bool) -> None:
        number = len(self.stores.rows.consents)
        about = (key.client_id, key.channel, purpose, granted, "form", "1")
        at = NOON + timedelta(seconds=number)
        statement = ConsentStatement(f"s{number}", at, *about)
        self.stores.rows.consents.append(Consent(key.practice_id, statement, at))

    def put_playbook(self, practice_id: str, document: Mapping[str, Any]) -> None:
        self.stores.rows.playbooks[practice_id] = StoredPlaybook(1, document, NOON)

    def put_permits(self, channel: Channel, tokens: int) -> None:
        self.stores.rows.permits[channel] = tokens

    def pause(self, practice_id: str) -> None:
        self.stores.rows.paused.add(practice_id)

    def restored_at(self, instant: datetime) -> None:
        self.stores.rows.fence = instant

    def events(self) -> Sequence[tuple[str, str]]:
        return [(each.message_id, each.state) for each in self.stores.rows.events]


@pytest.fixture
def adapter() -> MemoryAdapter:
    return MemoryAdapter()


class TestMemoryStore(StoreSuite):
    """`MemoryStores`."""


class TestMemoryRefusals(RefusalsSuite):
    """What providers said, in `MemoryStores`."""


class TestMemoryPreferences(PreferencesSuite):
    """The contacts, consents and playbooks of `MemoryStores`."""
