"""Bookings of several practices, made in advance, sent to the bus at a pace or all at once."""

import json
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaProducer

from rapport_contracts import topics
from tools.bench import source_log
from tools.bench.one_worker import Conversation
from tools.bench.order import Order
from tools.bench.stopwatch import Stopwatch
from tools.bench.waits import client_number, in_turn

SOURCE = topics.SOURCE_BOOKINGS
CLIENTS = 400
"""Clients of each practice."""


def events(
    run: str, count: int, practices: list[str], first: int = 0, clients: int = 0
) -> Iterator[dict[str, Any]]:
    """Completed bookings of these practices in turn; ids begin with `run`. `first` is how many
    there were before these, so that the clients' turns go on. They are of so many clients of each
    practice in turn; of few, one of whom has every fourth, where `clients` is 0."""
    now = datetime.now(UTC)
    for index in range(count):
        number = f"{run}-{index}"
        turn = first + index // len(practices)
        client = turn % clients if clients else client_number(turn, CLIENTS)
        booking = source_log.event(number, "booking.completed", f"client-{client}", number, now)
        yield {**booking, "practiceid": in_turn(practices, index)}


def _place(order: Order) -> int:
    """Where among the clients a run begins: each at another place."""
    return zlib.crc32(order.run.encode()) if order.clients else 0


def bookings(order: Order, talk: Conversation) -> None:
    """Send `order.records` bookings of `order.practices`, `order.rate` a second, or as quickly as
    may be when that is 0; at a pace, marks when each was sent by `<event id>`."""
    producer = KafkaProducer(
        bootstrap_servers=order.bootstrap.split(","),
        acks="all",
        linger_ms=0 if order.rate else 20,
        batch_size=(16 if order.rate else 256) * 1024,
        metrics_enabled=False,
    )
    topic = order.topic_prefix + SOURCE.name
    producer.partitions_for(topic)
    made = [
        (event["id"], event["subject"].encode(), json.dumps(event).encode())
        for event in events(
            order.run, order.records, order.practices, first=_place(order), clients=order.clients
        )
    ]
    places = [topics.partition_of(key.decode(), SOURCE.partitions) for _, key, _ in made]
    talk.ready()
    watch, begun = Stopwatch(), time.monotonic()
    for index, (number, key, value) in enumerate(made):
        if order.rate:
            time.sleep(max(0.0, begun + index / order.rate - time.monotonic()))
            watch.mark(number)
        producer.send(topic, value, key=key, partition=places[index])
    producer.flush()
    talk.done(watch.outcome(len(made)))
    producer.close()
