"""A bus in memory for fast tests: passes the same suite as Kafka (tests/contract/test_bus.py)."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapport_runtime.bus.port import (
    LogBounds,
    Outgoing,
    Record,
    RecordParts,
    TopicPartition,
    Unreadable,
)
from rapport_runtime.errors import LoopHalted, TryLater


class MemoryRecord(NamedTuple):
    """One record of the log in memory."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0
    unreadable: Unreadable | None = None


@dataclass
class MemoryBus:
    """The logs, and which member reads which partition: producer and broker in one.

    Records of a log may be removed (compaction, retention); an offset is never used again.
    """

    logs: dict[TopicPartition, list[MemoryRecord]] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    topic_ids: dict[str, str] = field(default_factory=dict)
    members: dict[str, list["MemoryConsumer"]] = field(default_factory=dict)
    down: bool = False

    def create(self, topic: str, partitions: int) -> None:
        """Make an empty topic with an id of its own; one of that name is replaced."""
        self.topic_ids[topic] = uuid.uuid4().hex
        for number in range(partitions):
            self.logs[TopicPartition(topic, number)] = []
            self.ends[TopicPartition(topic, number)] = 0

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> int:
        """Write one record and return its offset."""
        tp = TopicPartition(topic, partition)
        offset = self.ends[tp]
        self.logs[tp].append(MemoryRecord(offset, key, value, headers))
        self.ends[tp] = offset + 1
        return offset

    def append_unreadable(
        self,
        topic: str,
        partition: int,
        why: str,
        *,
        left: tuple[bytes | None, bytes | None] | None = None,
        count: int = 1,
    ) -> int:
        """Write what no client can read, and return its first offset.

        A record of which key and value are `left`, or without these a batch of `count` records.
        """
        tp = TopicPartition(topic, partition)
        offset = self.ends[tp]
        key, value = left or (None, b"a broken batch")
        found = Unreadable(
            offset,
            offset + count,
            why,
            RecordParts(offset, key, value, (), 0),
            is_whole=left is not None,
        )
        self.logs[tp].append(MemoryRecord(offset, key, value, unreadable=found))
        self.ends[tp] = found.next_offset
        return offset

    def remove(self, partition: TopicPartition, offsets: Iterable[int]) -> None:
        """Drop records as compaction or retention would; the others keep their offsets."""
        gone = set(offsets)
        self.logs[partition] = [
            record for record in self.logs[partition] if record.offset not in gone
        ]

    def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Producer.publish`."""
        self.answer()
        for topic, partition, key, value in records:
            self.append(topic, partition, key, value)

    def bounds(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogBounds]:
        """See `LogReader.bounds`."""
        self.answer()
        missing = {tp.topic for tp in partitions if tp not in self.logs}
        if missing:
            raise TryLater(f"there is no topic {', '.join(sorted(missing))}")
        return {tp: LogBounds(self.first_offset(tp), self.ends[tp]) for tp in partitions}

    def topic_id(self, topic: str) -> str:
        """See `LogReader.topic_id`."""
        self.answer()
        if topic not in self.topic_ids:
            raise TryLater(f"there is no topic {topic}")
        return self.topic_ids[topic]

    def read(self, spans: Mapping[TopicPartition, LogBounds]) -> dict[TopicPartition, list[Record]]:
        """See `LogReader.read`."""
        self.answer()
        found: dict[TopicPartition, list[Record]] = {}
        for tp, span in spans.items():
            inside = [each for each in self.logs[tp] if span.first <= each.offset < span.end]
            for record in inside:
                if record.unreadable is not None:
                    raise TryLater(f"{tp} cannot be read: {record.unreadable.where()}")
            found[tp] = list(inside)
        return found

    def unreadable(self, partition: TopicPartition, offset: int) -> Unreadable | None:
        """See `LogReader.unreadable`."""
        self.answer()
        _, found = self.readable_from(partition, offset)
        return found

    def readable_from(
        self, partition: TopicPartition, offset: int, limit: int | None = None
    ) -> tuple[list[MemoryRecord], Unreadable | None]:
        """The records from `offset` on, at most `limit`, up to the first that cannot be read; and
        that one, when it comes first."""
        records: list[MemoryRecord] = []
        for record in self.logs[partition]:
            unreadable = record.unreadable
            if (unreadable.next_offset if unreadable else record.offset + 1) <= offset:
                continue
            if unreadable is not None:
                at = max(offset, unreadable.offset)
                return records, None if records else unreadable._replace(offset=at)
            if len(records) == limit:
                break
            records.append(record)
        return records, None

    def first_offset(self, partition: TopicPartition) -> int:
        """The offset of the oldest record of the log, or its end."""
        log = self.logs[partition]
        return log[0].offset if log else self.ends[partition]

    def close(self) -> None:
        """See `Producer.close` and `LogReader.close`."""

    def answer(self) -> None:
        """Raise `TryLater` while the broker is down; every question to it begins with this."""
        if self.down:
            raise TryLater("the bus in memory is down")

    def consumer(self, group: str, topics: Sequence[str]) -> "MemoryConsumer":
        """A new member of the group; the partitions are dealt out anew among its members."""
        member = MemoryConsumer(self, group, topics)
        self.join(group, member)
        return member

    def join(self, group: str, member: "MemoryConsumer") -> None:
        """Let `member` in, which makes a rebalance."""
        self.members.setdefault(group, []).append(member)
        self.rebalance(group)

    def evict(self, group: str, member: "MemoryConsumer") -> None:
        """Go on without `member`, as after a session timeout.

        The member does not learn it: it is a zombie until its next `commit_to_group` is refused,
        and joins again with the poll after that.
        """
        self.members[group].remove(member)
        self.rebalance(group)

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
        self._unreadable: dict[TopicPartition, Unreadable] = {}
        self._refused = False

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Take these partitions instead of those held; those in both keep their positions."""
        self._assigned = set(partitions)
        self._noted = set(self._assigned)
        self._paused = set(self._assigned)
        self._unreadable = {}
        self._positions = {tp: at for tp, at in self._positions.items() if tp in self._assigned}

    def poll(
        self, timeout_seconds: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """See `Consumer.poll`; never waits. Raises `LoopHalted` where nothing more can be read."""
        del timeout_seconds
        if self._refused:
            self._refused = False
            self._bus.join(self._group, self)
        if self._bus.down:
            return {}
        polled: dict[TopicPartition, Sequence[Record]] = {}
        room = max_records
        for tp in sorted(self._assigned - self._paused):
            at = self._positions[tp]
            if not self._bus.first_offset(tp) <= at <= self._bus.ends[tp]:
                raise LoopHalted(f"{tp} has no offset {at}")
            records, found = self._bus.readable_from(tp, at, room)
            if found is not None:
                self._unreadable[tp] = found
                self._paused.add(tp)
            if records:
                polled[tp] = records
                room -= len(records)
                self._positions[tp] = records[-1].offset + 1
        return polled

    def unreadable(self) -> Mapping[TopicPartition, Unreadable]:
        """See `Consumer.unreadable`."""
        return dict(self._unreadable)

    def newly_assigned(self) -> set[TopicPartition]:
        """See `Consumer.newly_assigned`."""
        return set(self._noted)

    def assignment(self) -> set[TopicPartition]:
        """See `Consumer.assignment`."""
        return set(self._assigned)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See `Consumer.seek`."""
        self._noted.discard(partition)
        self._unreadable.pop(partition, None)
        if partition in self._assigned:
            self._positions[partition] = offset
            self._paused.discard(partition)

    def pause(self, partition: TopicPartition) -> None:
        """See `Consumer.pause`."""
        self._paused.add(partition)

    def commit_to_group(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """See `Consumer.commit_to_group`."""
        if self._bus.down:
            return False
        if self not in self._bus.members[self._group]:
            self._refused = True
            return False
        return any(tp in self._assigned for tp in offsets)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer.end_offsets`."""
        self._bus.answer()
        return {tp: self._bus.ends[tp] for tp in partitions}

    def first_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer.first_offsets`."""
        return {tp: log.first for tp, log in self._bus.bounds(list(partitions)).items()}

    def topic_id(self, topic: str) -> str:
        """See `Consumer.topic_id`."""
        return self._bus.topic_id(topic)

    def close(self) -> None:
        """See `Consumer.close`."""
        self._assigned, self._noted, self._refused = set(), set(), False
        members = self._bus.members[self._group]
        if self in members:
            members.remove(self)
            self._bus.rebalance(self._group)
