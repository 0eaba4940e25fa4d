"""A bus in memory for fast tests: passes the same suite as Kafka (tests/contract/test_bus.py)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapport_runtime.bus.port import Outgoing, Record, TopicPartition


class MemoryRecord(NamedTuple):
    """One record of the log in memory."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


@dataclass
class MemoryBus:
    """The logs themselves, and who reads which partition. Producer and broker in one."""

    logs: dict[TopicPartition, list[MemoryRecord]] = field(default_factory=dict)
    topic_ids: dict[str, str] = field(default_factory=dict)
    members: dict[str, list["MemoryConsumer"]] = field(default_factory=dict)

    def create(self, topic: str, partitions: int) -> None:
        """Make an empty topic, with an id of its own."""
        self.topic_ids[topic] = uuid.uuid4().hex
        for number in range(partitions):
            self.logs[TopicPartition(topic, number)] = []

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> int:
        """Write one record and return its offset."""
        log = self.logs[TopicPartition(topic, partition)]
        log.append(MemoryRecord(len(log), key, value))
        return len(log) - 1

    def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Producer.publish`."""
        for topic, partition, key, value in records:
            self.append(topic, partition, key, value)

    def close(self) -> None:
        """See `Producer.close`."""

    def consumer(self, group: str, topics: Sequence[str]) -> "MemoryConsumer":
        """A new member of the group; the partitions are dealt out anew among its members."""
        member = MemoryConsumer(self, group, topics)
        self.members.setdefault(group, []).append(member)
        self.rebalance(group)
        return member

    def rebalance(self, group: str) -> None:
        """Deal partition N of all topics to member N modulo the members, as `range` would."""
        members = self.members[group]
        for index, member in enumerate(members):
            member.assign(
                tp
                for tp in self.logs
                if tp.topic in member.topics and tp.partition % len(members) == index
            )


class MemoryConsumer:
    """A member of a group in memory."""

    def __init__(self, bus: MemoryBus, group: str, topics: Sequence[str]) -> None:
        self.topics = tuple(topics)
        self._bus = bus
        self._group = group
        self._positions: dict[TopicPartition, int] = {}
        self._assigned: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._noted: set[TopicPartition] = set()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Take these partitions instead of those held; kept positions stay, as in kafka-python."""
        self._assigned = set(partitions)
        self._noted = set(self._assigned)
        self._paused = set(self._assigned)

    def poll(
        self, timeout_seconds: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """See `Consumer.poll`; never waits."""
        del timeout_seconds
        polled: dict[TopicPartition, Sequence[Record]] = {}
        room = max_records
        for tp in sorted(self._assigned - self._paused):
            records = self._bus.logs[tp][self._positions[tp] :][:room]
            if records:
                polled[tp] = records
                room -= len(records)
                self._positions[tp] += len(records)
        return polled

    def newly_assigned(self) -> set[TopicPartition]:
        """See `Consumer.newly_assigned`."""
        return set(self._noted)

    def assignment(self) -> set[TopicPartition]:
        """See `Consumer.assignment`."""
        return set(self._assigned)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See `Consumer.seek`."""
        self._noted.discard(partition)
        if partition in self._assigned:
            self._positions[partition] = offset
            self._paused.discard(partition)

    def pause(self, partition: TopicPartition) -> None:
        """See `Consumer.pause`."""
        self._paused.add(partition)

    def confirm(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """See `Consumer.confirm`."""
        return any(tp in self._assigned for tp in offsets)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer.end_offsets`."""
        return {tp: len(self._bus.logs[tp]) for tp in partitions}

    def first_offset(self, partition: TopicPartition) -> int:
        """See `Consumer.first_offset`."""
        log = self._bus.logs[partition]
        return log[0].offset if log else 0

    def topic_id(self, topic: str) -> str:
        """See `Consumer.topic_id`."""
        return self._bus.topic_ids[topic]

    def close(self) -> None:
        """See `Consumer.close`."""
        self._assigned = set()
        self._bus.members[self._group].remove(self)
        if self._bus.members[self._group]:
            self._bus.rebalance(self._group)
