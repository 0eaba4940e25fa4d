"""What the runtime needs to know of a topic; the contracts' topics satisfy these protocols."""

from typing import Protocol

from rapport_runtime.bus.port import TopicPartition


class Partitioned(Protocol):
    """A topic's name and its number of partitions."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...


class Retained(Partitioned, Protocol):
    """A topic as it is created; `retention_ms` None means compacted."""

    @property
    def retention_ms(self) -> int | None: ...


def partitions_of(*topics: Partitioned) -> frozenset[TopicPartition]:
    """Every partition of these topics."""
    return frozenset(
        TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)
    )
