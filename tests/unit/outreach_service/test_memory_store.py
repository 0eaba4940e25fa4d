"""The stores in memory keep the promises of the ports, as those on Postgres do."""

import pytest

from tests.support.memory.client_word_suite import ClientWordSuite
from tests.support.memory.harbour import StoreAdapter
from tests.support.memory.keys_suite import KeysSuite
from tests.support.memory.outreach_adapter import MemoryAdapter
from tests.support.memory.outreach_care_suite import CareSuite
from tests.support.memory.outreach_generations_suite import GenerationsSuite
from tests.support.memory.outreach_preferences_suite import PreferencesSuite
from tests.support.memory.outreach_reads_suite import ReadsSuite
from tests.support.memory.outreach_refusals_suite import RefusalsSuite
from tests.support.memory.outreach_settling_suite import SettlingSuite
from tests.support.memory.outreach_suite import StoreSuite


@pytest.fixture
def adapter() -> MemoryAdapter:
    return MemoryAdapter()


class TestMemoryStore(StoreSuite):
    """`MemoryStores`."""


class TestMemoryRefusals(RefusalsSuite):
    """What providers said, in `MemoryStores`."""


class TestMemorySettling(SettlingSuite):
    """What settles, in `MemoryStores`."""


class TestMemoryPreferences(PreferencesSuite):
    """The contacts, consents and playbooks of `MemoryStores`."""


class TestMemoryClientWord(ClientWordSuite):
    """What clients said, in `MemoryStores`."""

    HISTORIES = 300

    def fresh(self, adapter: StoreAdapter) -> StoreAdapter:
        return MemoryAdapter()


class TestMemoryReads(ReadsSuite):
    """Who has read personal data, in `MemoryStores`."""


class TestMemoryKeys(KeysSuite):
    """`MemoryStores`, of keys."""


class TestMemoryCare(CareSuite):
    """What other systems have noted."""


class TestMemoryGenerations(GenerationsSuite):
    """Generations of clients' facts."""
