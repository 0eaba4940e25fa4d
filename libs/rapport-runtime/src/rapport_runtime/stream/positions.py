"""Where a group stands in each partition: moved with the effects, or not at all."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import fetch
from rapport_runtime.ops.pauses import paused


@dataclass(frozen=True, slots=True)
class Position:
    """A stored position. `processed_through`: the business time up to which all before
    `next_offset` is complete; `swept_through`: up to which work that falls due by time is done."""

    next_offset: int
    topic_id: str
    processed_through: datetime | None = None
    swept_through: datetime | None = None


@dataclass(frozen=True, slots=True)
class OffsetAdvance:
    """A wish to move one partition from `expected` to `next_offset`, and its time to `reached`."""

    partition: TopicPartition
    expected: int
    next_offset: int
    processed_through: datetime | None


_LOAD = sa.text("""
    SELECT topic, partition, next_offset, topic_id, processed_through, swept_through
    FROM consumer_position
    WHERE consumer_group = :group
      AND (topic, partition) IN (SELECT * FROM unnest(:topics ::text[], :partitions ::int[]))
""")

_CREATE = sa.text("""
    INSERT INTO consumer_position (consumer_group, topic, partition, topic_id, next_offset)
    VALUES (:group, :topic, :partition, :topic_id, :next_offset)
    ON CONFLICT DO NOTHING
""")

# SKIP LOCKED: a frozen worker that still holds the row must not freeze its successor as well;
# the partition is left out of this batch instead (ARCHITECTURE §3, frozen workers). A pause of
# the topic that was committed before is obeyed here, whatever the worker knows of it.
_CLAIM = f"""
    WITH wish AS (
        SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(expected)s::bigint[],
                             %(next_offsets)s::bigint[], %(reached)s::timestamptz[])
            AS wish(topic, partition, expected, next_offset, reached)
    ), held AS (
        SELECT p.topic, p.partition FROM consumer_position p
        JOIN wish USING (topic, partition)
        WHERE p.consumer_group = %(group)s AND p.next_offset = wish.expected
          AND NOT {paused("topic", "p.topic")}
        ORDER BY p.topic, p.partition
        FOR UPDATE OF p SKIP LOCKED
    )
    UPDATE consumer_position p
    SET next_offset = greatest(p.next_offset, wish.next_offset),
        processed_through = greatest(p.processed_through, wish.reached)
    FROM wish JOIN held USING (topic, partition)
    WHERE p.consumer_group = %(group)s AND p.topic = wish.topic AND p.partition = wish.partition
      AND p.next_offset = wish.expected
    RETURNING p.topic, p.partition, p.next_offset, p.topic_id, p.processed_through,
              p.swept_through
"""  # noqa: S608 - the parts are constants of the code

_COMPLETE = """
    SELECT min(processed_through) FROM consumer_position
    WHERE consumer_group = %s AND processed_through IS NOT NULL
      AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
    HAVING count(*) = %s
"""


def load(
    tx: sa.Connection, group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Position]:
    """The stored positions of those partitions that have one."""
    topics, numbers = _columns(partitions)
    rows = tx.execute(_LOAD, {"group": group, "topics": topics, "partitions": numbers})
    return _positions(rows)


def create(
    tx: sa.Connection, group: str, partition: TopicPartition, *, topic_id: str, next_offset: int
) -> None:
    """Store a first position, at the log's start; a no-op where there is one."""
    tx.execute(
        _CREATE,
        {
            "group": group,
            "topic": partition.topic,
            "partition": partition.partition,
            "topic_id": topic_id,
            "next_offset": next_offset,
        },
    )


def claim(
    tx: sa.Connection, group: str, moves: Sequence[OffsetAdvance]
) -> dict[TopicPartition, Position]:
    """Move positions by compare-and-swap, locking their rows; the FIRST statement of a batch.

    Returns the partitions that are ours to handle, as they stand now. One that is missing has
    been moved by another worker, or is locked by one (R3), or its topic is paused: nothing of it
    may be handled.
    """
    topics, numbers = _columns(move.partition for move in moves)
    wish = {
        "group": group,
        "topics": topics,
        "partitions": numbers,
        "expected": [move.expected for move in moves],
        "next_offsets": [move.next_offset for move in moves],
        "reached": [move.processed_through for move in moves],
    }
    return _positions(fetch(tx, _CLAIM, wish))


def complete_through(
    tx: sa.Connection, group: str, expected: Collection[TopicPartition]
) -> datetime | None:
    """The least `processed_through` of the expected partitions; None until all have one."""
    topics, numbers = _columns(expected)
    rows = fetch(tx, _COMPLETE, (group, topics, numbers, len(expected)))
    return rows[0][0] if rows else None


def _positions(rows: Iterable[Sequence[Any]]) -> dict[TopicPartition, Position]:
    return {TopicPartition(*row[:2]): Position(*row[2:]) for row in rows}


def _columns(partitions: Iterable[TopicPartition]) -> tuple[list[str], list[int]]:
    pairs = list(partitions)
    return [tp.topic for tp in pairs], [tp.partition for tp in pairs]
