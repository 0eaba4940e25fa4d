"""The unit of work: some records of some partitions, handled in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.positions import Position


@dataclass(slots=True)
class PartitionBatch:
    """A run of one partition's records with what they decoded to, in the log's order.

    `position` is where the group stood before the first of them (its `swept_through` is read
    under the claim). `handle` gets batches without the records that could not be decoded,
    `batch_end` and `watermark_of` get them with an `InvalidRecord` as their event; `next_offset`
    lies behind them all the same. A batch may be handled again after a rollback, so events must
    not be changed.
    """

    partition: TopicPartition
    position: Position
    records: Sequence[Record]
    events: Sequence[Any]
    next_offset: int


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
    """What a service gives to the loop."""

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """The event in a record. Raises `InvalidRecord`."""
        ...

    def batch_end(self, part: PartitionBatch) -> int:
        """How many records of `part` belong into the next batch; at least one."""
        ...

    def watermark_of(self, part: PartitionBatch) -> datetime | None:
        """The business time at the end of `part`: its last watermark; None if it carries none."""
        ...

    def handle(self, tx: sa.Connection, batch: Batch) -> None:
        """Apply the batch. Never commits. Anything it raises rolls everything back.

        `batch.reject` is the cheap way to refuse a record; for a raised `InvalidRecord` or a
        data error the loop halves the batch until the record stands alone.
        """
        ...

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """After each commit, and whenever there was nothing to read: sweep, publish. `held` are
        the partitions that this worker holds, and where they stand, as far as it knows."""
        ...
