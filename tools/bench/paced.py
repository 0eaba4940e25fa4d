"""Bookings at a steady pace, and an observer of everything that they cause on the bus.

Each booking is the first of a client, so that each makes one activity and one change of tier.
"""

import json
import time
from collections.abc import Collection
from datetime import UTC, datetime

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import ActivityRecorded, TierChanged
from tools.bench import source_log
from tools.bench.one_worker import Conversation
from tools.bench.order import Order
from tools.bench.stopwatch import Stopwatch

SOURCE, ACTIVITY, CHANGES = topics.SOURCE_BOOKINGS, topics.CLIENT_ACTIVITY, topics.TIER_CHANGES
GRACE_SECONDS = 30.0


def source(order: Order, talk: Conversation) -> None:
    """Send `order.records` completed bookings, `order.rate` a second; marks `sent <event id>`."""
    producer = KafkaProducer(
        bootstrap_servers=order.bootstrap.split(","), acks="all", metrics_enabled=False
    )
    topic = order.topic_prefix + SOURCE.name
    producer.partitions_for(topic)
    talk.ready()
    watch = Stopwatch()
    run, begun = time.time_ns(), time.monotonic()
    for index in range(order.records):
        number = f"{run}-{index}"
        booking = source_log.event(
            number, "booking.completed", f"client-{number}", number, datetime.now(UTC)
        )
        value = json.dumps(booking).encode()
        partition = topics.partition_of(booking["subject"], SOURCE.partitions)
        time.sleep(max(0.0, begun + index / order.rate - time.monotonic()))
        watch.mark(f"sent {number}")
        producer.send(topic, value, key=booking["subject"].encode(), partition=partition)
    producer.flush()
    talk.done(watch.outcome(order.records))
    producer.close()


def observer(order: Order, talk: Conversation) -> None:
    """Read from now on until `order.records` changes have come, or far too long has passed.

    Marks, with the id of the booking: `hop` when its own record was received; `activity` and
    `change` when the broker stored those, by its own stamp; `end` when the change was received.
    """
    client = _at_the_end(order)
    talk.ready()
    watch = Stopwatch()
    bookings: dict[str, str] = {}
    changes: dict[str, tuple[float, float]] = {}
    deadline = time.monotonic() + order.records / order.rate + GRACE_SECONDS
    while not _whole(bookings, changes, order.records) and time.monotonic() < deadline:
        for place, records in client.poll(100).items():
            now = time.time()
            name = place.topic.removeprefix(order.topic_prefix)
            for record in records:
                if name == SOURCE.name:
                    watch.mark(f"hop {json.loads(record.value)['id']}", now)
                    continue
                event = codec.decode(name, record.key, record.value)
                sent = record.timestamp / 1000
                if isinstance(event, ActivityRecorded) and event.data.cause_id:
                    bookings[event.data.client_id] = event.data.cause_id
                    watch.mark(f"activity {event.data.cause_id}", sent)
                elif isinstance(event, TierChanged):
                    # Perhaps before its activity, which is on another partition, or of others.
                    changes.setdefault(event.data.client_id, (sent, now))
    known = bookings.keys() & changes.keys()
    for client_id in known:
        watch.mark(f"change {bookings[client_id]}", changes[client_id][0])
        watch.mark(f"end {bookings[client_id]}", changes[client_id][1])
    talk.done(watch.outcome(len(known)))
    client.close()


def _whole(bookings: Collection[str], changes: Collection[str], wanted: int) -> bool:
    """Whether so many clients are in both. The cheap question comes first: the other one, at each
    poll, would disturb what is measured."""
    return len(changes) >= wanted and len(set(bookings).intersection(changes)) >= wanted


def _at_the_end(order: Order) -> KafkaConsumer:
    client = KafkaConsumer(
        bootstrap_servers=order.bootstrap.split(","),
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        metrics_enabled=False,
    )
    places = [
        TopicPartition(order.topic_prefix + topic.name, number)
        for topic in (SOURCE, ACTIVITY, CHANGES)
        for number in range(topic.partitions)
    ]
    client.assign(places)
    client.seek_to_end()
    for place in places:
        client.position(place)
    return client
