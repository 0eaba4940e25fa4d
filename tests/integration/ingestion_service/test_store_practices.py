"""A practice keeps its currency; the simulated clock only goes forward: on Postgres."""

from datetime import datetime, timedelta

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.errors import Conflict
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import advance_clock, register_practice
from ingestion_service.store.reads import PostgresReads
from rapport_contracts.topics import PRACTICES
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, fetch
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion import NOON

pytestmark = pytest.mark.integration
ANNOUNCED = "SELECT id FROM outbox WHERE topic = %(topic)s"


def test_a_practice_may_be_renamed_but_keeps_its_currency(database: Database) -> None:
    def save(name: str, zone: str, currency: str) -> bool:
        with database.transaction() as tx:
            wanted = Practice("lakeside", name, zone, currency)
            return register_practice(
                wanted, build_stores(database, RECORD_KEYS, is_simulated=True).within(tx)
            ).is_new

    def announced() -> int:
        with database.transaction() as tx:
            return len(fetch(tx, ANNOUNCED, {"topic": PRACTICES.name}))

    assert save("Lakeside Clinic", "Asia/Shanghai", "CNY") is False
    with pytest.raises(Conflict):
        save("Lakeside", "Asia/Shanghai", "JPY")
    assert announced() == 3
    save("Lakeside Clinic", "Asia/Shanghai", "CNY")
    assert announced() == 3


def test_the_simulated_clock_never_goes_back(urls: ServiceDatabase) -> None:
    api = Database(urls.api_url, application_name="test-api")
    stores, reads = build_stores(api, RECORD_KEYS, is_simulated=True), PostgresReads(api)

    def advance(now: datetime) -> None:
        with stores.open_for_operator() as store:
            advance_clock(now, store)

    assert reads.clock().now is None
    advance(NOON)
    advance(NOON)
    advance(NOON + timedelta(days=1))
    with pytest.raises(Conflict):
        advance(NOON)
    assert reads.clock().now == NOON + timedelta(days=1)
    assert reads.clock().published_through is None
    api.close()
