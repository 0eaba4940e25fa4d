"""One suite for every store of ingestion: in memory, and on Postgres under row-level security."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.ports import Store
from ingestion_service.store.reads import PostgresReads
from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode
from rapport_contracts.topics import CLIENT_ACTIVITY, PRACTICES
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, fetch, fetch_value
from tests.support.doubles.record_keyring import KEYRING
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_suite import StoreSuite
from tests.support.memory.ingestion_world import Published, StoreWorld, memory_world

pytestmark = pytest.mark.integration
_PUBLISHED = "SELECT key, value FROM outbox WHERE topic = %(topic)s ORDER BY id"
_COUNT = "SELECT count(*) FROM outbox WHERE topic = %(topic)s"


def in_memory(_urls: Callable[[], ServiceDatabase]) -> Iterator[StoreWorld]:
    yield memory_world(MemoryStores(is_simulated=True))


def on_postgres(urls: Callable[[], ServiceDatabase]) -> Iterator[StoreWorld]:
    made = urls()
    api = Database(made.api_url, application_name="test-api")
    worker_database = Database(made.worker_url, application_name="test-worker")

    @contextmanager
    def worker() -> Iterator[Store]:
        with worker_database.transaction() as tx:
            yield build_stores(worker_database, KEYRING, is_simulated=True).within(tx)

    def published() -> list[Published]:
        with worker_database.transaction() as tx:
            rows = fetch(tx, _PUBLISHED, {"topic": CLIENT_ACTIVITY.name})
        return [_published(row.key, row.value) for row in rows]

    def announced() -> int:
        with worker_database.transaction() as tx:
            count: int = fetch_value(tx, _COUNT, {"topic": PRACTICES.name})
        return count

    yield StoreWorld(
        build_stores(api, KEYRING, is_simulated=True),
        PostgresReads(api),
        worker,
        published,
        announced,
    )
    api.close()
    worker_database.close()


def _published(key: bytes, value: bytes) -> Published:
    event = decode(CLIENT_ACTIVITY.name, key, value)
    assert isinstance(event, ActivityRecorded)
    data = event.data
    return Published(
        event.id,
        data.kind,
        data.on,
        data.count,
        data.amount_minor,
        data.sequence,
        data.accepted_at,
        data.refers_to,
        data.object_id,
        data.source,
        data.cause_id,
        data.last_of_cause,
        data.backfill,
        data.attributes,
    )


class TestStores(StoreSuite):
    """The suite, on each of the two."""

    @pytest.fixture(params=[in_memory, on_postgres])
    def world(
        self, request: pytest.FixtureRequest, postgres_urls: Callable[[], ServiceDatabase]
    ) -> Iterator[StoreWorld]:
        """An empty store."""
        yield from request.param(postgres_urls)

    @pytest.fixture
    def postgres_urls(self, request: pytest.FixtureRequest) -> Callable[[], ServiceDatabase]:
        """The migrated database, which is made when it is asked for."""
        return lambda: request.getfixturevalue("urls")
