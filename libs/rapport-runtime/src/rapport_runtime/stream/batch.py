"""The unit of work: some records of some partitions, handled in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.positions import Position


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a record with a watermark decodes to: all up to the instant `up_to` lies before it."""

    up_to: datetime


@dataclass(slots=True)
class PartitionBatch:
    """A run of one partition's records with what they decoded to, in the log's order.

    `position` is where the group stood before the first of them (its `swept_through` is read
    under the claim). `handle` gets batches without the records that could not be decoded;
    `batch_end` gets them with an `InvalidRecord` as their event; `next_offset` lies behind them
    all the same. A batch may be handled again after a rollback, so events must not be changed.
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


@dataclass(slots=True)
class DeadLetter:
    """A record that will be put aside, and why."""

    partition: TopicPartition
    record: Record
    error: InvalidRecord


@dataclass(slots=True)
class Batch:
    """What one transaction handles. A handler that meets an impossible record rejects it here."""

    partitions: list[PartitionBatch]
    letters: list[DeadLetter] = field(default_factory=list)

    def reject(self, part: PartitionBatch, index: int, error: InvalidRecord) -> None:
        """Make a dead letter of the `index`-th record of `part`, in this same transaction."""
        self.letters.append(DeadLetter(part.partition, part.records[index], error))

    def __len__(self) -> int:
        return sum(len(part.records) for part in self.partitions)


class BatchHandler(Protocol):
    """What a service gives to the loop. A record passes each method once, in this order."""

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """The event in a record, or the `Watermark` in it. Raises `InvalidRecord`."""
        ...

    def batch_end(self, part: PartitionBatch) -> int:
        """How many records of `part` belong into the next batch, at least one; here: all."""
        return len(part.records)

    def handle(self, tx: sa.Connection, batch: Batch) -> None:
        """Apply the batch. Never commits. Anything it raises rolls everything back.

        `batch.reject` is the cheap way to refuse a record; for a raised `InvalidRecord` or a
        data error the loop halves the batch until the record stands alone.
        """
        ...

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Sweep and publish: after each commit, and when there was nothing to read. `held` are
        the positions of the partitions that this worker holds, as far as it knows."""
        ...
