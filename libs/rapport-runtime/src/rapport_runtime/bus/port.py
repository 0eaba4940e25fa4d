"""What the loop and the relay need of a bus. One test suite covers both adapters."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class TopicPartition(NamedTuple):
    """One partition of one topic, by its logical name."""

    topic: str
    partition: int


class Topic(Protocol):
    """A topic as it must be on the cluster; `settings` are Kafka's, by its names for them."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, str]: ...


class LogBounds(NamedTuple):
    """Offsets of a log: its first record, and the one after its last."""

    first: int
    end: int


class Record(Protocol):
    """One record of the log. `timestamp` is in milliseconds since 1970."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def timestamp(self) -> int: ...


class RecordParts(NamedTuple):
    """What could be taken of a record; satisfies `Record`."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Unreadable(NamedTuple):
    """What the client cannot read of a log: from `offset` up to, and without, `next_offset`.

    `why` says it without a value of the record. `left` is one record with what is wrong replaced
    where `is_whole`; else its value is the batch as the broker gave it, None if it gave none.
    """

    offset: int
    next_offset: int
    why: str
    left: Record
    is_whole: bool

    def where(self) -> str:
        """The offsets and the reason, for people."""
        last = self.next_offset - 1
        offsets = f"offset {self.offset}"
        if last > self.offset:
            offsets = f"offsets {self.offset} to {last}"
        return f"{offsets}: {self.why}"


class Outgoing(NamedTuple):
    """One record to be written, to an explicit partition of a logical topic."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class Consumer(Protocol):
    """A member of a consumer group; it reads a partition only from where `seek` has put it.

    Not safe for use from several threads. Newly assigned partitions arrive paused: nothing of
    them is delivered until the caller has sought them.
    """

    def poll(
        self, timeout_seconds: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """The records since the last poll, at most `max_records`.

        An empty answer proves nothing: a dead broker gives the same. A partition in which nothing
        more can be read delivers nothing, see `unreadable`. Raises `TryLater` when the broker
        refuses, and `LoopHalted` when the log no longer holds what was not read yet.
        """
        ...

    def unreadable(self) -> Mapping[TopicPartition, Unreadable]:
        """What stands in the way of those partitions that deliver nothing since the client cannot
        read on; `seek` takes one off, and it is tried again."""
        ...

    def newly_assigned(self) -> set[TopicPartition]:
        """The partitions that deliver nothing until they are sought; `seek` takes one off."""
        ...

    def assignment(self) -> set[TopicPartition]:
        """The partitions that this member holds, as far as it knows."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Deliver the record at `offset` next; a paused partition delivers again."""
        ...

    def pause(self, partition: TopicPartition) -> None:
        """Deliver nothing of the partition until the next `seek`."""
        ...

    def commit_to_group(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit `offsets` to the group (informative); False when this is no member any more."""
        ...

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each, from the broker. Raises `TryLater`."""
        ...

    def first_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the oldest record of each, from the broker. Raises `TryLater`."""
        ...

    def topic_id(self, topic: str) -> str:
        """The broker's id of the topic; another id means a new topic of that name.

        Raises `TryLater`.
        """
        ...

    def close(self) -> None:
        """Leave the group at once, so that others take over without a session timeout."""
        ...


class LogReader(Protocol):
    """Reads logs where it is told to, without a group and without leaving a trace."""

    def bounds(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogBounds]:
        """Where the logs begin and end now. Raises `TryLater`."""
        ...

    def topic_id(self, topic: str) -> str:
        """See `Consumer.topic_id`. Raises `TryLater`."""
        ...

    def read(self, spans: Mapping[TopicPartition, LogBounds]) -> dict[TopicPartition, list[Record]]:
        """All records from `first` up to, and without, `end` that the logs still hold.

        Raises `TryLater` when they do not come, or one cannot be read.
        """
        ...

    def unreadable(self, partition: TopicPartition, offset: int) -> Unreadable | None:
        """What cannot be read at `offset` or, if no record has that one, next to it.

        None when a record can be read there, or there is none. Raises `TryLater`.
        """
        ...

    def close(self) -> None:
        """Close the connection; never raises."""
        ...


class Producer(Protocol):
    """Writes records; only the relay holds one."""

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Write all and wait for every acknowledgement, in order per partition.

        Raises `TryLater` when not every record is known to be written.
        """
        ...

    def close(self) -> None:
        """Close the connection; never raises."""
        ...
