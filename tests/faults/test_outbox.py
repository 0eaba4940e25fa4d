"""A backlog in the outbox, and a transaction that commits late: all is published, in order."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_runtime.bus.kafka import KafkaProducer
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.stream import outbox
from rapport_runtime.stream.relay import Relay
from tests.support.servers.broker import read
from tests.support.servers.buses import OnKafka
from tests.support.worlds.toy_ledger import (
    TOPIC,
    Topic,
    create_tables,
    output,
    worker_database,
)

pytestmark = pytest.mark.integration
BUCKETS = 4
BACKLOG = 40_000
CLIENTS = 500
NEW = 400


@pytest.fixture
def database(empty_database: Callable[[str], ServiceDatabase]) -> Iterator[Database]:
    """The ledger's database as its worker reaches it, with the runtime's tables."""
    urls = empty_database("ledger")
    create_tables(urls)
    opened = worker_database(urls)
    yield opened
    opened.close()


@pytest.fixture
def bus(kafka: Kafka) -> Iterator[OnKafka]:
    made = OnKafka(kafka.bootstrap)
    made.create(TOPIC, BUCKETS)
    yield made
    made.close()


def rows(client: str, numbers: Sequence[int]) -> list[Outgoing]:
    """A client's records, all in one bucket."""
    bucket = sum(client.encode()) % BUCKETS
    return [Outgoing(TOPIC, bucket, b"k", f"{client}:{number}".encode()) for number in numbers]


def append(database: Database, records: Sequence[Outgoing]) -> None:
    with database.transaction() as tx:
        outbox.append(tx, records)


def published(bus: OnKafka) -> dict[str, list[int]]:
    """What lies on the bus of each client, in its order."""
    found: dict[str, list[int]] = defaultdict(list)
    name = bus.options.topic_prefix + TOPIC
    for bucket in range(BUCKETS):
        for value in read(bus.options.bootstrap_servers, name, partition=bucket):
            client, _, number = value.decode().partition(":")
            found[client].append(int(number))
    return found


@contextmanager
def relays(bus: OnKafka, database: Database, count: int) -> Iterator[list[Relay]]:
    """So many relays, each with a producer of its own."""
    producers = [KafkaProducer(bus.options) for _ in range(count)]
    try:
        yield [Relay(database, producer, output(Topic(TOPIC, BUCKETS))) for producer in producers]
    finally:
        for producer in producers:
            producer.close()


def test_a_backlog_is_drained_in_each_clients_order_and_new_rows_with_it(
    bus: OnKafka, database: Database
) -> None:
    """R20: two workers find it there, while a third goes on writing."""
    each = BACKLOG // CLIENTS
    for first in range(0, each, 20):
        numbers = range(first, first + 20)
        append(database, [row for n in range(CLIENTS) for row in rows(f"client-{n}", numbers)])
    written = threading.Event()

    def go_on_writing() -> None:
        for number in range(NEW):
            append(database, rows("newcomer", [number]))
        written.set()

    def drain(relay: Relay) -> int:
        done = 0
        while not written.is_set():
            done += relay.drain()
        return done

    with relays(bus, database, 2) as two, ThreadPoolExecutor(3) as pool:
        drained = [pool.submit(drain, relay) for relay in two]
        pool.submit(go_on_writing).result()
        total = sum(one.result() for one in drained) + two[0].drain()
    found = published(bus)
    assert total == BACKLOG + NEW
    assert found.pop("newcomer") == list(range(NEW))
    assert len(found) == CLIENTS
    assert all(numbers == list(range(each)) for numbers in found.values())


def test_a_long_transaction_that_commits_late_is_published_all_the_same(
    bus: OnKafka, database: Database
) -> None:
    """R21: its rows have the smaller ids, and appear after larger ones have gone."""
    with relays(bus, database, 1) as (relay,):
        with database.transaction() as late:
            outbox.append(late, rows("late", range(100)))
            append(database, rows("early", range(100)))
            assert relay.drain() == 100
            assert published(bus).keys() == {"early"}
        assert relay.drain() == 100
    assert published(bus)["late"] == list(range(100))
