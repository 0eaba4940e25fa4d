"""Reads a topic from its beginning to its end, independently of the services."""

import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

from rapport_contracts.canonical import CanonicalEvent, UnknownEvent
from rapport_contracts.codec import decode
from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions
from rapport_runtime.bus.port import Record, TopicPartition

_POLL_SECONDS = 1.0
_JOIN_SECONDS = 60.0
_RECORDS = 5_000


def read_records(
    options: KafkaOptions, topic: str, partitions: int
) -> Iterator[tuple[TopicPartition, Record]]:
    """Every record that a topic holds at the time of the call, in order per partition.

    The reader is the only member of a group of its own. Raises TimeoutError when the broker assigns
    nothing within a minute, TryLater when it does not answer.
    """
    member = replace(options, client_id="log-reader")
    consumer = KafkaConsumer(member, f"log-reader-{uuid4().hex}", [topic])
    try:
        first = _poll_until_assigned(consumer, partitions)
        ends = consumer.end_offsets(first)
        left = {tp for tp, end in ends.items() if end > first[tp]}
        while left:
            for tp, records in consumer.poll(_POLL_SECONDS, _RECORDS).items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield tp, record
                if records and records[-1].offset >= ends[tp] - 1:
                    left.discard(tp)
    finally:
        consumer.close()


def read_events(options: KafkaOptions, topic: str, partitions: int) -> Iterator[CanonicalEvent]:
    """The canonical events of a topic, each id once, by the topic's logical name.

    Raises ValueError for an event of an unknown type: this code is of the services' own version.
    """
    seen: set[tuple[str, str]] = set()
    for _, record in read_records(options, topic, partitions):
        event = decode(topic, record.key, record.value)
        if isinstance(event, UnknownEvent):
            raise ValueError(f"{topic} holds an event of an unknown type: {event.type}")
        if (event.source, event.id) not in seen:
            seen.add((event.source, event.id))
            yield event


def _poll_until_assigned(consumer: KafkaConsumer, partitions: int) -> dict[TopicPartition, int]:
    """Wait for every partition and seek its first offset."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while len(consumer.newly_assigned()) < partitions:
        consumer.poll(_POLL_SECONDS, _RECORDS)
        if time.monotonic() > deadline:
            raise TimeoutError("the broker assigned no partitions")
    starts = consumer.first_offsets(consumer.newly_assigned())
    for tp, offset in starts.items():
        consumer.seek(tp, offset)
    return starts
