"""A migrated database of ingestion with two practices in it, and the API on it."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ingestion_service.api.clients import clients_router
from ingestion_service.api.clock import clock_router
from ingestion_service.api.events import events_router
from ingestion_service.api.freshness import freshness_router
from ingestion_service.api.packages import packages_router
from ingestion_service.api.practices import practices_router
from ingestion_service.api.sources import sources_router
from ingestion_service.bootstrap import build_consumer, build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.store.clock import simulated_time
from ingestion_service.store.freshness_reads import PostgresFreshnessReads
from ingestion_service.store.reads import PostgresReads
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.watermarks import ReadToEnd
from tests.integration.ingestion_service.sources import (
    settings_for,
)
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.servers.app_calls import ask

SCOPES = frozenset(
    {
        "practices:write",
        "practices:read",
        "events:write",
        "clients:write",
        "clients:read",
        "clock:write",
        "sources:write",
        "controls:read",
        "controls:write",
    }
)
Call = Callable[..., httpx.Response]


@pytest.fixture
def urls(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("ingestion")


@pytest.fixture
def database(urls: ServiceDatabase) -> Iterator[Database]:
    """As a worker sees it."""
    opened = Database(urls.worker_url, application_name="test-worker")
    with opened.transaction() as tx:
        store = build_stores(opened, RECORD_KEYS, is_simulated=False).within(tx)
        for name, zone, currency in (
            ("lakeside", "Asia/Shanghai", "CNY"),
            ("harbour", "Europe/London", "GBP"),
        ):
            known = Practice(name, name, zone, currency, undeclared_sources="accept")
            register_practice(known, store)
    yield opened
    opened.close()


@pytest.fixture
def api_database(urls: ServiceDatabase, database: Database) -> Iterator[Database]:
    """As the API sees it: under row-level security."""
    opened = Database(urls.api_url, application_name="test-api")
    yield opened
    opened.close()


class Holders:
    """Every name is a key: `operator` an operator's, any other that practice's."""

    def verify(self, raw_key: str) -> Principal:
        return Principal(raw_key, None if raw_key == "operator" else raw_key, SCOPES)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        return {key: self.verify(key) for key in raw_keys}


@pytest.fixture
def app(api_database: Database) -> FastAPI:
    stores = build_stores(api_database, RECORD_KEYS, is_simulated=True)
    reads = PostgresReads(api_database)
    routers = [
        practices_router(stores, reads),
        events_router(stores),
        clients_router(stores, reads),
        packages_router(reads),
        sources_router(stores, reads),
        freshness_router(stores, PostgresFreshnessReads(api_database)),
        clock_router(stores, reads),
    ]
    service = Service(
        title="t", version="0", description="t", keys=Holders(), cursor_key=bytes(range(32))
    )
    return create_app(service, routers)


@pytest.fixture
def call(app: FastAPI) -> Call:
    """`call("PUT", "/v1/clock", key="operator", json=…)`; the key is Lakeside's by default."""

    def send(method: str, path: str, key: str = "lakeside", **more: Any) -> httpx.Response:
        return ask(app, method, path, headers={"Authorization": f"Bearer {key}"}, **more)

    return send


@pytest.fixture
def bus() -> MemoryBus:
    made = MemoryBus()
    for topic in topics.TOPICS:
        made.create(topic.name, topic.partitions)
    return made


@pytest.fixture
def turn(bus: MemoryBus, database: Database, urls: ServiceDatabase) -> Callable[[], None]:
    """One turn of a worker: poll, accept and publish; then store how far was read, and publish."""
    publish = build_relay(database, bus).drain
    handler = build_consumer(settings_for(urls.worker_url), database, publish)
    consumer = bus.consumer(GROUP, [topic.name for topic in TOPICS])
    options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, retry_seconds=0.01)
    loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())
    reader = ReadToEnd(database, GROUP, simulated_time, jumps=True)

    def run() -> None:
        loop.turn(threading.Event())
        reader.observe(consumer, loop)
        handler.after_commit({})

    return run
