"""On Postgres, too, a practice whose records wait has the history that it would have had."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import pytest

from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import execute, fetch
from rapport_runtime.stream.partition_batches import batch_of, decoded, split
from rapport_runtime.stream.positions import Position
from scoring_service.consumers import ScoringConsumer
from scoring_service.ports import ClientKey, Hold
from tests.integration.scoring_service.test_store_suite import PostgresAdapter
from tests.support.generators.held_logs import (
    ADA,
    CLIENTS,
    HELD,
    HOUR,
    START,
    YEAR,
    HeldLog,
    Record,
    encoded,
    flood,
    long_flood,
)
from tests.support.generators.tier_histories import RULEBOOK

pytestmark = pytest.mark.integration
ACTIVITY = TopicPartition(topics.CLIENT_ACTIVITY.name, 0)
HOLDS = "SELECT hold_id, state FROM practice_hold ORDER BY hold_id"
SET_ASIDE = "SELECT client_id FROM client WHERE held_at IS NOT NULL ORDER BY client_id"
PUBLISH = """
    INSERT INTO outbox_watermark VALUES (0, %(up_to)s)
    ON CONFLICT (partition) DO UPDATE SET published_through = excluded.published_through
"""


@pytest.fixture
def adapter(service_database: Callable[[str], ServiceDatabase]) -> Iterator[PostgresAdapter]:
    made = PostgresAdapter(service_database("scoring"))
    yield made
    made.close()


def read(adapter: PostgresAdapter, log: Sequence[Record], size: int) -> None:
    """Let a worker read the log in batches of a size, and sweep after each."""
    bus, position = MemoryBus(), Position(0, "")
    bus.create(ACTIVITY.topic, 1)
    for value in encoded(log):
        bus.append(ACTIVITY.topic, 0, b"key", value)
    consumer = ScoringConsumer(adapter.stores, RULEBOOK, lambda: None)
    while records := bus.logs[ACTIVITY][position.next_offset :][:size]:
        part = decoded(consumer, ACTIVITY, position, records)
        part, _ = split(part, consumer.batch_end(part))
        with adapter.worker.transaction() as tx:
            consumer.handle(tx, batch_of([part]))
        reached = max(filter(None, (part.watermark, position.processed_through)), default=None)
        if reached is not None:
            adapter.pass_watermark(0, reached)
        position = Position(part.next_offset, "", reached)
        consumer.after_commit({ACTIVITY: position})


def history(adapter: PostgresAdapter, client: ClientKey) -> list[tuple[object, ...]]:
    """A client's changes, in the oracle's form."""
    lines = adapter.tiers.history(*client, RULEBOOK.key, 0, 100) or ()
    return [
        (
            *(line.version, line.from_tier, line.to_tier, line.reason, line.origin),
            *(line.effective_at, line.score, line.activity_id),
        )
        for line in lines
    ]


@pytest.mark.parametrize("log", [flood(), long_flood()], ids=["a year", "piece by piece"])
@pytest.mark.parametrize("size", [2, 9])
def test_a_history_is_the_same_as_if_no_record_had_waited(
    adapter: PostgresAdapter, log: HeldLog, size: int
) -> None:
    read(adapter, log.held(), size)
    assert {c: history(adapter, c) for c in CLIENTS} == {c: log.history(c) for c in CLIENTS}
    with adapter.worker.transaction() as tx:
        assert fetch(tx, SET_ASIDE) == []
        assert {row.state for row in fetch(tx, HOLDS)} == {"ended"}


def test_a_hold_is_told_until_what_came_of_it_is_published(adapter: PostgresAdapter) -> None:
    """So a reader of the feed does not hear of a time of which changes are still to come."""
    log = flood().held()
    read(adapter, log[: log.index(START + YEAR) + 1], 9)
    with adapter.worker.transaction() as tx:
        assert [row.client_id for row in fetch(tx, SET_ASIDE)] == [ADA.client_id]
    until = START + YEAR + HOUR
    states = [settled(adapter, until)]
    with adapter.stores.open() as store:
        store.holds.end(Hold(HELD, 0, "hold-1", "deferred", None, until))
    states += [settled(adapter, until), settled(adapter, until + HOUR)]
    for published in (until - HOUR, until):
        with adapter.worker.transaction() as tx:
            execute(tx, PUBLISH, {"up_to": published})
        states.append(settled(adapter, until + HOUR))
    assert states == [["open"], ["ended"], ["ended"], ["ended"], []]


def settled(adapter: PostgresAdapter, until: datetime) -> list[str]:
    """The states of the holds after a sweep."""
    with adapter.stores.open() as store:
        store.holds.settle({0: until})
    with adapter.worker.transaction() as tx:
        return [row.state for row in fetch(tx, HOLDS)]
