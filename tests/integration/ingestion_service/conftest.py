"""A migrated database of ingestion, with two practices in it."""

from collections.abc import Callable, Iterator

import pytest

from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.store.postgres_store import Encoders
from ingestion_service.store.stores import PostgresStores
from ingestion_service.translate import record_of_activity, record_of_practice
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database


@pytest.fixture
def urls(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("ingestion")


@pytest.fixture
def database(urls: ServiceDatabase) -> Iterator[Database]:
    """As a worker sees it."""
    opened = Database(urls.worker_url, application_name="test-worker")
    encoders = Encoders(record_of_activity, record_of_practice)
    with opened.transaction() as tx:
        store = PostgresStores(opened, encoders, is_simulated=False).within(tx)
        for name, zone, currency in (
            ("lakeside", "Asia/Shanghai", "CNY"),
            ("harbour", "Europe/London", "GBP"),
        ):
            register_practice(Practice(name, name, zone, currency), store)
    yield opened
    opened.close()


@pytest.fixture
def api_database(urls: ServiceDatabase, database: Database) -> Iterator[Database]:
    """As the API sees it: under row-level security."""
    opened = Database(urls.api_url, application_name="test-api")
    yield opened
    opened.close()
