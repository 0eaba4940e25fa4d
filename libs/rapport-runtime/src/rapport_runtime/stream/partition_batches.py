"""Cutting records into batches: pure functions, without bus and database."""

from collections.abc import Sequence
from dataclasses import replace

from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import Batch, BatchHandler, DeadLetter, PartitionBatch
from rapport_runtime.stream.positions import Position


def decoded(
    handler: BatchHandler, partition: TopicPartition, position: Position, records: Sequence[Record]
) -> PartitionBatch:
    """The batch of these records, at least one. The event of a record that cannot be decoded is
    its `InvalidRecord`."""
    events: list[object] = []
    for record in records:
        try:
            events.append(handler.decode_record(partition.topic, record))
        except InvalidRecord as error:
            events.append(error)
    return PartitionBatch(partition, position, records, events, records[-1].offset + 1)


def batch_of(parts: Sequence[PartitionBatch]) -> Batch:
    """The batch of these partitions; records that were not decoded are dead letters already."""
    batch = Batch([])
    for part in parts:
        pairs = list(zip(part.records, part.events, strict=True))
        bad = [pair for pair in pairs if isinstance(pair[1], InvalidRecord)]
        if not bad:
            batch.partitions.append(part)
            continue
        batch.letters += [DeadLetter(part.partition, record, error) for record, error in bad]
        good = [pair for pair in pairs if not isinstance(pair[1], InvalidRecord)]
        if good:
            records, events = zip(*good, strict=True)
            batch.partitions.append(replace(part, records=records, events=events))
    return batch


def split(part: PartitionBatch, count: int) -> tuple[PartitionBatch, PartitionBatch | None]:
    """The first `count` records of `part`, and the rest; None when there is none."""
    if count >= len(part.records):
        return part, None
    head = replace(
        part,
        records=part.records[:count],
        events=part.events[:count],
        next_offset=part.records[count].offset,
    )
    tail = replace(part, records=part.records[count:], events=part.events[count:])
    return head, tail


def halve(parts: Sequence[PartitionBatch]) -> tuple[list[PartitionBatch], list[PartitionBatch]]:
    """The first half of a batch's records and the second; the second is empty for a single one."""
    half = max(1, sum(len(part.records) for part in parts) // 2)
    first: list[PartitionBatch] = []
    second: list[PartitionBatch] = []
    for part in parts:
        room = half - sum(len(done.records) for done in first)
        if room <= 0:
            second.append(part)
            continue
        head, tail = split(part, room)
        first.append(head)
        if tail is not None:
            second.append(tail)
    return first, second
