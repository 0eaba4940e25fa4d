"""The unit of work: some records of some partitions, handled in one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Connection

from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.positions import Position


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a watermark record decodes to: all events up to `up_to` lie before it. `incarnation` is
    that of the writer's database, None where the record does not say it."""

    up_to: datetime
    incarnation: str | None = None


@dataclass(slots=True)
class PartitionBatch:
    """Consecutive records of one partition and their decoded events, in the log's order.

    `position` is the group's position before the first record; `handle` sees its `swept_through`
    as it is under the claim. `events[i]` belongs to `records[i]`. A record that could not be
    decoded has an `InvalidRecord` as its event in `batch_end` and is left out in `handle`;
    `next_offset` is the offset after it all the same. A batch may be handled again after a
    rollback, so a handler must not change the events.
    """

    partition: TopicPartition
    position: Position
    records: Sequence[Record]
    events: Sequence[Any]
    next_offset: int

    @property
    def watermark(self) -> datetime | None:
        """The latest instant that a watermark among the records names; None without one."""
        instants = [event.up_to for event in self.events if isinstance(event, Watermark)]
        return max(instants) if instants else None


class Sender(NamedTuple):
    """Whom a record names as where it comes from; nobody has verified it. None: it does not say."""

    practice_id: str | None = None
    source: str | None = None


NOBODY: Final = Sender()


@dataclass(slots=True)
class DeadLetter:
    """A record that is set aside, the reason, and whom the record names."""

    partition: TopicPartition
    record: Record
    error: InvalidRecord
    sender: Sender = NOBODY

    @property
    def practice(self) -> str | None:
        """The practice that owns it, else the one that the record names, which nobody has verified;
        None: it names none."""
        return self.error.practice_id or self.sender.practice_id

    @property
    def origin(self) -> str | None:
        """For whom the limits count it: a practice, else a source; None: it names neither."""
        return self.practice or self.sender.source


@dataclass(slots=True)
class Batch:
    """What one transaction handles; `letters` are the records that it sets aside, `passed_over`
    the number of those that it does not act on, by topic and what about them."""

    partitions: list[PartitionBatch]
    letters: list[DeadLetter] = field(default_factory=list)
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)

    def reject(self, part: PartitionBatch, index: int, error: InvalidRecord) -> None:
        """Make a dead letter of record `index` of `part`, in this same transaction."""
        self.letters.append(DeadLetter(part.partition, part.records[index], error))

    def name_senders(self, sender_of: Callable[[Record], Sender]) -> None:
        """Let each letter say whom its record names, which it is read for again."""
        for letter in self.letters:
            letter.sender = sender_of(letter.record)

    def pass_over(self, part: PartitionBatch, what: str) -> None:
        """Count a record of `part` that is not acted on and is no dead letter: an unknown `type` or
        `kind`, say. `what` is a label of a metric: a word of ours, never a value of the record."""
        self.passed_over[part.partition.topic, what] += 1

    def __len__(self) -> int:
        return sum(len(part.records) for part in self.partitions)


class BatchHandler(Protocol):
    """A service's part of the loop. A record passes each method once, in this order."""

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """The event in a record, or the `Watermark` in it. Raises `InvalidRecord`."""
        ...

    def decode_record(self, topic: str, record: Record) -> Any:
        """As `decode`, with the record's headers at hand. Default: they do not matter."""
        return self.decode(topic, record.key, record.value)

    def sender_of_record(self, record: Record) -> Sender:
        """As `sender_of`, with the record's headers at hand. Default: they do not matter."""
        return self.sender_of(record.value)

    def sender_of(self, value: bytes | None) -> Sender:
        """Whom a record names that becomes a dead letter; it may be anything. Default: nobody.

        By it the limits tell one practice's flood from a bad deploy of everybody, and a practice
        finds the letters of what it sent.
        """
        del value
        return NOBODY

    def batch_end(self, part: PartitionBatch) -> int:
        """How many records of `part` go into the next batch, at least one. Default: all."""
        return len(part.records)

    def handle(self, tx: Connection, batch: Batch) -> None:
        """Apply the batch. Never commits. Anything it raises rolls everything back.

        `batch.reject` is the cheap way to refuse a record; for a raised `InvalidRecord` or a
        data error the loop halves the batch until the record stands alone.
        """
        ...

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Sweep and publish: after each commit, and after a turn without records. `held` are the
        positions of the partitions that this worker holds, as far as it knows."""
        ...

    def may_wait(self) -> bool:
        """Whether the next poll may wait for records. Default: yes; no while `after_commit` has
        more to do than it did."""
        return True
