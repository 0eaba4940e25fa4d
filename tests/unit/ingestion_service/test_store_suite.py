"""The store in memory keeps the promises of the store on Postgres."""

import pytest

from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_freshness_suite import FreshnessSuite
from tests.support.memory.ingestion_import_suite import ImportSuite
from tests.support.memory.ingestion_packages_suite import PackagesSuite
from tests.support.memory.ingestion_parked_suite import ParkedSuite
from tests.support.memory.ingestion_queues_suite import QueueSuite
from tests.support.memory.ingestion_rebuild_suite import RebuildSuite
from tests.support.memory.ingestion_secrets_suite import SecretSuite
from tests.support.memory.ingestion_sources_suite import SourceSuite
from tests.support.memory.ingestion_suite import StoreSuite
from tests.support.memory.ingestion_world import StoreWorld, memory_world


class OnMemory:
    """The fixture of the suites."""

    @pytest.fixture
    def world(self) -> StoreWorld:
        """An empty store."""
        return memory_world(MemoryStores(is_simulated=True))


class TestMemoryStore(OnMemory, StoreSuite):
    """The suite, without a server."""


class TestMemoryQueues(OnMemory, QueueSuite):
    """The suite of queues, without a server."""


class TestMemoryParked(OnMemory, ParkedSuite):
    """The suite of what is parked, without a server."""


class TestMemoryRebuilds(OnMemory, RebuildSuite):
    """The suite of rebuilds, without a server."""


class TestMemoryFreshness(OnMemory, FreshnessSuite):
    """The suite of freshness, without a server."""


class TestMemorySources(OnMemory, SourceSuite):
    """The suite of declared sources, without a server."""


class TestMemoryImports(OnMemory, ImportSuite):
    """The suite of imports, without a server."""


class TestMemorySecrets(OnMemory, SecretSuite):
    """The suite of the secrets of sources, without a server."""


class TestMemoryPackages(OnMemory, PackagesSuite):
    """The suite of packages, without a server."""
