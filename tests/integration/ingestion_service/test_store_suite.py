"""One suite for every store of ingestion: in memory, and on Postgres under row-level security."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.facts import Details, PracticeId, SourceFact
from ingestion_service.personal_keys import PersonalKeys
from ingestion_service.ports import Hold, Store
from ingestion_service.store.reads import PostgresReads
from rapport_contracts.canonical import ActivityRecorded, GenerationOpened, HoldChanged
from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.codec import decode
from rapport_contracts.topics import CARE_SIGNALS, CLIENT_ACTIVITY, PRACTICES
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.ops import incarnation
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_care_suite import CareSuite
from tests.support.memory.ingestion_freshness_suite import FreshnessSuite
from tests.support.memory.ingestion_import_suite import ImportSuite
from tests.support.memory.ingestion_packages_suite import PackagesSuite
from tests.support.memory.ingestion_parked_suite import ParkedSuite
from tests.support.memory.ingestion_queues_suite import QueueSuite
from tests.support.memory.ingestion_rebuild_suite import RebuildSuite
from tests.support.memory.ingestion_secrets_suite import SecretSuite
from tests.support.memory.ingestion_sources_suite import SourceSuite
from tests.support.memory.ingestion_suite import StoreSuite
from tests.support.memory.ingestion_world import Published, Said, StoreWorld, memory_world

pytestmark = pytest.mark.integration
_PUBLISHED = "SELECT key, value FROM outbox WHERE topic = %(topic)s ORDER BY id"
_FACTS = """
    SELECT practice_id, source, event_id, ledger.namespace, ledger.external_id,
        source_object.kind AS object_kind, source_object.external_id AS of_object,
        ledger.kind, occurred_at, starts_at, amount_minor, currency,
        attributes, backfill, details
    FROM ledger JOIN source_object USING (practice_id, source, object_id)
    ORDER BY ledger_id
"""
_HELD = (
    *("client", "identity", "source_object", "ledger", "parked", "awaited_client", "relation"),
    *("outbox", "dead_letter", "source", "undeclared", "source_count"),
)
PERSONAL_KEYS = PersonalKeys(bytes(range(32)))
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
            yield build(worker_database).within(tx)

    def published() -> list[Published]:
        with worker_database.transaction() as tx:
            rows = fetch(tx, _PUBLISHED, {"topic": CLIENT_ACTIVITY.name})
        return [_published(row.key, row.value) for row in rows]

    def announced() -> int:
        with worker_database.transaction() as tx:
            count: int = fetch_value(tx, _COUNT, {"topic": PRACTICES.name})
        return count

    def holds() -> list[Hold]:
        with worker_database.transaction() as tx:
            rows = fetch(tx, _PUBLISHED, {"topic": CLIENT_ACTIVITY.name})
        events = [decode(CLIENT_ACTIVITY.name, row.key, row.value) for row in rows]
        said = [each for each in events if isinstance(each, HoldChanged)]
        assert len(said) % CLIENT_ACTIVITY.partitions == 0
        return [
            Hold(
                PracticeId(one.practiceid),
                one.data.hold_id,
                one.data.held,
                one.data.since,
                one.data.reason,
                one.data.source,
            )
            for one in said[:: CLIENT_ACTIVITY.partitions]
        ]

    def facts() -> list[SourceFact]:
        with worker_database.transaction() as tx:
            rows = fetch(tx, _FACTS)
        return [
            SourceFact(
                *row[:12],
                tuple(sorted((row[12] or {}).items())),
                row[13],
                _details(row[14] or {}),
            )
            for row in rows
        ]

    build = partial(build_stores, sealer=RECORD_KEYS, is_simulated=True, personal=PERSONAL_KEYS)
    stores, reads = build(api), PostgresReads(api)
    restore, said = partial(_restore, made), partial(_all_said, worker_database)
    workers = build(worker_database)
    yield StoreWorld(
        stores,
        reads,
        worker,
        published,
        announced,
        holds,
        restore,
        facts,
        said,
        workers,
        partial(_care, worker_database),
        partial(_held, worker_database),
    )
    api.close()
    worker_database.close()


def _details(said: dict[str, Any]) -> Details:
    found = Details(**said)
    at: Any = found.cancelled_at
    return found if at is None else found._replace(cancelled_at=datetime.fromisoformat(at))


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
        data.cancelled_by,
    )


def _care(database: Database) -> list[tuple[str, int, str, dict[str, Any]]]:
    with database.transaction() as tx:
        rows = fetch(tx, _PUBLISHED, {"topic": CARE_SIGNALS.name})
    events = [decode(CARE_SIGNALS.name, row.key, row.value) for row in rows]
    return [
        (each.data.kind, each.data.sequence, each.data.cause_id, each.data.attributes)
        for each in events
        if isinstance(each, CareRecorded)
    ]


def _held(database: Database) -> str:
    with database.transaction() as tx:
        found = [fetch(tx, f"SELECT t::text FROM {table} AS t") for table in _HELD]  # noqa: S608
    return repr([tuple(row) for rows in found for row in rows])


def _restore(urls: ServiceDatabase) -> None:
    owner = Database(urls.owner_url, application_name="test-owner")
    with owner.transaction() as tx:
        incarnation.draw(tx)
    owner.close()


def _all_said(database: Database) -> list[Said]:
    with database.transaction() as tx:
        rows = fetch(tx, _PUBLISHED, {"topic": CLIENT_ACTIVITY.name})
    return [_said(row.key, row.value) for row in rows]


def _said(key: bytes, value: bytes) -> Said:
    event = decode(CLIENT_ACTIVITY.name, key, value)
    if isinstance(event, GenerationOpened):
        return Said(event.data.client_id, event.data.generation, None, None, event.data.facts)
    assert isinstance(event, ActivityRecorded)
    data = event.data
    activity_id = data.activity_id or event.id
    return Said(data.client_id, data.generation, data.sequence, activity_id, None)


class OnBoth:
    """The fixture of each of the two."""

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


class TestStores(OnBoth, StoreSuite):
    """The suite, on each of the two."""


class TestQueues(OnBoth, QueueSuite):
    """The suite of queues, on each of the two."""


class TestParked(OnBoth, ParkedSuite):
    """The suite of what is parked, on each of the two."""


class TestCare(OnBoth, CareSuite):
    """The suite of signals of care, on each of the two."""


class TestRebuilds(OnBoth, RebuildSuite):
    """The suite of rebuilds, on each of the two."""


class TestFreshness(OnBoth, FreshnessSuite):
    """The suite of freshness, on each of the two."""


class TestSources(OnBoth, SourceSuite):
    """The suite of declared sources, on each of the two."""


class TestImports(OnBoth, ImportSuite):
    """The suite of imports, on each of the two."""


class TestSecrets(OnBoth, SecretSuite):
    """The suite of the secrets of sources, on each of the two."""


class TestPackages(OnBoth, PackagesSuite):
    """The suite of packages, on each of the two."""
