"""A log read as plainly as the client allows: by hand-assigned partitions, from the beginning."""

from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from tests.load.order import Order

POLL_RECORDS = 5_000


def open_log(order: Order, topics: Sequence[str], partitions: int) -> KafkaConsumer:
    """A client that is connected and stands at the beginning of these topics."""
    client = KafkaConsumer(
        bootstrap_servers=order.bootstrap.split(","),
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=20,
        fetch_max_bytes=16 * 1024 * 1024,
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
