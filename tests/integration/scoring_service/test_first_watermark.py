"""However many clients of a partition wait for its first watermark, no statement takes them all."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import fetch, fetch_value
from scoring_service.handlers import SWEEP_ROWS, sweep
from scoring_service.ports import ClientKey
from scoring_service.store.status import _OLDEST_DUE
from tests.integration.scoring_service.test_store_suite import POSITION, PostgresAdapter
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring_suite import new_client

pytestmark = pytest.mark.integration
FIRST = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = FIRST + timedelta(days=3)
CLIENTS = 2 * SWEEP_ROWS + 1
_VERSIONS = "SELECT count(DISTINCT xmin::text) AS writers FROM client"
_SWEPT = """
    SELECT count(*) FILTER (WHERE assessed_on IS NULL) AS waiting, count(*) AS clients
    FROM client WHERE partition = 0
"""
_CHANGES = """
    SELECT min(on_day) AS first_day, max(on_day) AS last_day,
           count(DISTINCT client_id) AS clients, count(*) FILTER (WHERE version = 1) AS entered
    FROM tier_change WHERE version = 1
"""


@pytest.fixture
def adapter(service_database: Callable[[str], ServiceDatabase]) -> Iterator[PostgresAdapter]:
    """A partition whose clients have come in one transaction, before its first watermark."""
    made = PostgresAdapter(service_database("scoring"))
    with made.stores.open() as store:
        store.clients.save(
            [new_client(ClientKey("harbour", f"client-{number}")) for number in range(CLIENTS)]
        )
    yield made
    made.close()


def first_watermark(adapter: PostgresAdapter) -> None:
    adapter.pass_watermark(0, FIRST)
    with adapter.stores.open() as store:
        store.await_first_assessment(0, FIRST)


def test_the_first_watermark_writes_no_client(adapter: PostgresAdapter) -> None:
    first_watermark(adapter)
    with adapter.worker.transaction() as tx:
        assert fetch_value(tx, _VERSIONS) == 1
        assert fetch_value(tx, _OLDEST_DUE, POSITION) == FIRST


def test_those_who_wait_are_assessed_page_by_page_on_the_first_watermarks_day(
    adapter: PostgresAdapter,
) -> None:
    """Also when time has gone on before the sweep reaches them."""
    first_watermark(adapter)
    waiting = []
    adapter.pass_watermark(0, LATER)
    for _ in range(3):
        with adapter.stores.open() as store:
            step = sweep(store, RULEBOOK, [0])
        with adapter.worker.transaction() as tx:
            waiting.append(fetch_value(tx, _SWEPT))
    assert waiting == [CLIENTS - SWEEP_ROWS, 1, 0]
    assert step.is_done
    with adapter.worker.transaction() as tx:
        (changes,) = fetch(tx, _CHANGES)
        assert fetch_value(tx, _OLDEST_DUE, POSITION) is None
    assert (changes.first_day, changes.last_day) == (FIRST.date(), FIRST.date())
    assert (changes.clients, changes.entered) == (CLIENTS, CLIENTS)


def test_a_client_who_waits_and_comes_again_is_assessed_on_the_first_watermarks_day_too(
    adapter: PostgresAdapter,
) -> None:
    first_watermark(adapter)
    with adapter.stores.open() as store:
        key = ClientKey("harbour", "client-7")
        assert store.clients.load([key])[key].review_at == FIRST
