"""Talk to a broker as any client would: make a topic, put values on it, read them back."""

from collections.abc import Iterable

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic


def make_topic(bootstrap: str, topic: str, *, partitions: int = 1) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        new = NewTopic(name=topic, num_partitions=partitions, replication_factor=1)
        admin.create_topics([new])
    finally:
        admin.close()


def put(
    bootstrap: str,
    topic: str,
    values: Iterable[bytes],
    *,
    partition: int = 0,
    key: bytes | None = None,
    timestamp_ms: int | None = None,
) -> None:
    """Returns when the broker has acknowledged every value; a timestamp of None is now."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    more = {"key": key, "timestamp_ms": timestamp_ms}
    try:
        sent = [producer.send(topic, value, partition=partition, **more) for value in values]
        for future in sent:
            future.get(30)
    finally:
        producer.close()


def first_offset(bootstrap: str, topic: str, *, partition: int = 0) -> int:
    """The offset of the oldest record that the partition still has; its end when it has none."""
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        return int(consumer.beginning_offsets([place])[place])
    finally:
        consumer.close()


def read(bootstrap: str, topic: str, *, partition: int = 0) -> list[bytes]:
    """All values from the start of the partition to its present end."""
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50)
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        values: list[bytes] = []
        while consumer.position(place) < end:
            for records in consumer.poll(1_000).values():
                values.extend(record.value for record in records)
        return values
    finally:
        consumer.close()
