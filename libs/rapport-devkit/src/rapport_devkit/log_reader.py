"""Reads a topic from its beginning to its end, independently of the services."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from rapport_contracts.canonical import CanonicalEvent, UnknownEvent
from rapport_contracts.codec import decode
from rapport_runtime.bus.kafka import KafkaLogReader, KafkaOptions
from rapport_runtime.bus.port import Record, TopicPartition


def read_events(options: KafkaOptions, topic: str, partitions: int) -> Iterator[CanonicalEvent]:
    """The canonical events of a topic, each id once, by the topic's logical name.

    Raises ValueError for an event of an unknown type: this code is of the services' own version;
    and TryLater when the broker does not answer.
    """
    seen: set[tuple[str, str]] = set()
    for record in _records(options, topic, partitions):
        event = decode(topic, record.key, record.value)
        if isinstance(event, UnknownEvent):
            raise ValueError(f"{topic} holds an event of an unknown type: {event.type}")
        if (event.source, event.id) not in seen:
            seen.add((event.source, event.id))
            yield event


def _records(options: KafkaOptions, topic: str, partitions: int) -> Iterator[Record]:
    """Every record that the topic holds at the time of the call, partition after partition."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    with closing(KafkaLogReader(replace(options, client_id="log-reader"))) as reader:
        for place, bounds in reader.bounds(places).items():
            yield from reader.read({place: bounds})[place]
