"""A log read as plainly as the client allows: by hand-assigned partitions."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from rapport_contracts.topics import Topic
from tools.bench.order import Order

POLL_RECORDS = 5_000


def open_log(order: Order, topics: Sequence[str], partitions: int) -> KafkaConsumer:
    """A client that is connected and stands at the beginning of these topics."""
    client = KafkaConsumer(
        bootstrap_servers=order.bootstrap.split(","),
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=20,
        fetch_max_bytes=16 * 1024 * 1024,
        metrics_enabled=False,
    )
    places = [
        TopicPartition(order.topic_prefix + name, number)
        for name in topics
        for number in range(partitions)
    ]
    client.assign(places)
    client.seek_to_beginning()
    for place in places:
        client.position(place)
    return client


def batches(client: KafkaConsumer, records: int) -> Iterator[tuple[TopicPartition, list[Any]]]:
    """Batches of one partition each, until `records` have come; the last one is cut to fit."""
    read = 0
    while read < records:
        for place, batch in client.poll(1_000, max_records=POLL_RECORDS).items():
            wanted = batch[: records - read]
            read += len(wanted)
            yield place, wanted


def ends(order: Order, topic: Topic) -> dict[TopicPartition, int]:
    """Where a topic ends now."""
    client = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    name = order.topic_prefix + topic.name
    try:
        places = [TopicPartition(name, number) for number in range(topic.partitions)]
        return dict(client.end_offsets(places))
    finally:
        client.close()


def since(order: Order, before: dict[TopicPartition, int]) -> Iterator[Any]:
    """The records between these ends and today's."""
    client = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    client.assign(list(before))
    for place, offset in before.items():
        client.seek(place, offset)
    last = client.end_offsets(list(before))
    while any(client.position(place) < offset for place, offset in last.items()):
        for records in client.poll(1_000, max_records=POLL_RECORDS).values():
            yield from records
    client.close()


def follow(order: Order, before: Mapping[TopicPartition, int], seconds: float) -> Iterator[Any]:
    """The records after these ends, as they come, for so many seconds."""
    client = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    client.assign(list(before))
    for place, offset in before.items():
        client.seek(place, offset)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            for records in client.poll(200, max_records=POLL_RECORDS).values():
                yield from records
    finally:
        client.close()
