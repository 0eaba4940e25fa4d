"""The store in memory keeps the promises of the store on Postgres."""

import pytest

from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_suite import StoreSuite
from tests.support.memory.ingestion_world import StoreWorld, memory_world


class TestMemoryStore(StoreSuite):
    """The suite, without a server."""

    @pytest.fixture
    def world(self) -> StoreWorld:
        """An empty store."""
        return memory_world(MemoryStores(is_simulated=True))
