"""One batch, one transaction: the claim of its positions, its effects and its dead letters."""

import time
from collections.abc import Mapping
from dataclasses import replace

from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, describe, is_data_error
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.metrics import (
    BATCH_SECONDS,
    BATCHES,
    DEAD_LETTERS,
    PASSED_OVER,
    RECORDS,
    ROLLED_BACK,
)
from rapport_runtime.stream import positions
from rapport_runtime.stream.assignment import Assignment
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit, tally
from rapport_runtime.stream.partition_batches import batch_of, halve
from rapport_runtime.stream.positions import OffsetAdvance, Position


class BatchProcessor:
    """Handles batches for one consumer group and moves its positions with their effects."""

    def __init__(
        self,
        database: Database,
        handler: BatchHandler,
        assignment: Assignment,
        letters: DeadLetterTable,
        limit: DeadLetterLimit,
    ) -> None:
        self._database = database
        self._handler = handler
        self._assignment = assignment
        self._group = letters.group
        self._letters = letters
        self._limit = limit

    def process(self, parts: list[PartitionBatch]) -> int:
        """Handle one batch and return the number of its records. When its data is refused, halve
        it until the record stands alone, and make a dead letter of that one.

        Raises `LoopHalted` past the limit of dead letters, and whatever is no record's fault.
        """
        try:
            return self._commit(parts)
        except (InvalidRecord, *DatabaseError) as error:
            refused = refusal(error)
            if refused is None:
                raise
        ROLLED_BACK.labels(self._group, "data").inc()
        first, second = halve(parts)
        if second:
            return self.process(first) + self.process(self._at_new_positions(second))
        return self._commit([replace(first[0], events=[refused])])

    def _at_new_positions(self, parts: list[PartitionBatch]) -> list[PartitionBatch]:
        """The second half after the first was committed, without what was fenced meanwhile."""
        workable = self._assignment.workable()
        return [
            replace(part, position=self._assignment.positions[part.partition])
            for part in parts
            if part.partition in workable
        ]

    def _commit(self, parts: list[PartitionBatch]) -> int:
        if not parts:
            return 0
        started = time.monotonic()
        with self._database.transaction() as tx:
            claimed = positions.claim(tx, self._group, [_advance(part) for part in parts])
            failpoints.hit("in_tx")
            won = [_under_claim(part, claimed) for part in parts if part.partition in claimed]
            batch = batch_of(won)
            if batch.partitions:
                self._handler.handle(tx, batch)
            batch.name_senders(self._handler.sender_of_record)
            self._letters.save(tx, batch.letters)
            records = sum(len(part.records) for part in won)
            counted = tally(records, batch.letters)
            self._limit.check(counted)
            failpoints.hit("before_db_commit")
        failpoints.hit("after_db_commit")
        self._assignment.advance(claimed)
        self._limit.count(counted)
        lost = {part.partition for part in parts} - claimed.keys()
        if lost:
            self._assignment.fence(lost)
        BATCHES.labels(self._group).inc()
        BATCH_SECONDS.labels(self._group).observe(time.monotonic() - started)
        self._count(batch, won)
        return records

    def _count(self, batch: Batch, parts: list[PartitionBatch]) -> None:
        for part in parts:
            RECORDS.labels(self._group, part.partition.topic).inc(len(part.records))
        for letter in batch.letters:
            labels = (self._group, letter.partition.topic, letter.error.reason)
            DEAD_LETTERS.labels(*labels).inc()
        for (topic, what), number in batch.passed_over.items():
            PASSED_OVER.labels(self._group, topic, what).inc(number)


def refusal(error: Exception) -> InvalidRecord | None:
    """The reason why a record that stands alone is refused; None when `error` is no record's
    fault."""
    if isinstance(error, InvalidRecord):
        return error
    if is_data_error(error):
        return InvalidRecord("database-refused", describe(error))
    return None


def _advance(part: PartitionBatch) -> OffsetAdvance:
    return OffsetAdvance(
        part.partition, part.position.next_offset, part.next_offset, part.watermark
    )


def _under_claim(
    part: PartitionBatch, claimed: Mapping[TopicPartition, Position]
) -> PartitionBatch:
    """The batch with `swept_through` as it is under the claim: a sweep may have moved it since the
    position was read."""
    swept = claimed[part.partition].swept_through
    return replace(part, position=replace(part.position, swept_through=swept))
