"""What the runtime needs to know of a topic; the contracts' topics satisfy these protocols."""

from collections.abc import Iterable
from typing import Protocol

from rapport_runtime.bus.port import Topic, TopicPartition


class Partitioned(Protocol):
    """A topic's name and its number of partitions."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...


class SharedTopic(Topic, Protocol):
    """A topic, with the names of those that write it and read it, services among them."""

    @property
    def writers(self) -> tuple[str, ...]: ...
    @property
    def readers(self) -> tuple[str, ...]: ...


def partitions_of(*topics: Partitioned) -> frozenset[TopicPartition]:
    """Every partition of these topics."""
    return frozenset(
        TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)
    )


def topics_of(service: str, topics: Iterable[SharedTopic]) -> list[SharedTopic]:
    """Those of the topics that the service writes or reads."""
    return [topic for topic in topics if service in (*topic.writers, *topic.readers)]
