"""Where a group stands in each partition: moved with the effects, or not at all."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from rapport_runtime.bus.port import TopicPartition, Unreadable
from rapport_runtime.database import execute, fetch, fetch_value
from rapport_runtime.ops.pauses import paused


@dataclass(frozen=True, slots=True)
class Position:
    """A stored position. All that happened up to the business time `processed_through` lies before
    `next_offset`; all work that falls due by time is done up to `swept_through`."""

    next_offset: int
    topic_id: str
    processed_through: datetime | None = None
    swept_through: datetime | None = None


@dataclass(frozen=True, slots=True)
class OffsetAdvance:
    """A request to move one partition from the offset `expected` to `next_offset`, and its business
    time to `processed_through`, if that is not None."""

    partition: TopicPartition
    expected: int
    next_offset: int
    processed_through: datetime | None


@dataclass(frozen=True, slots=True)
class BeginAnew:
    """A request to move one position, as `stored`, to the offset `first` of the topic that has
    `topic_id` now."""

    partition: TopicPartition
    stored: Position
    first: int
    topic_id: str


_LOAD = """
    SELECT topic, partition, next_offset, topic_id, processed_through, swept_through
    FROM consumer_position
    WHERE consumer_group = %(group)s
      AND (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[]))
"""

_LOAD_TOPICS = """
    SELECT topic, partition, next_offset, topic_id, processed_through, swept_through
    FROM consumer_position
    WHERE consumer_group = %(group)s AND topic = ANY(%(topics)s)
"""

_CREATE = """
    INSERT INTO consumer_position (consumer_group, topic, partition, topic_id, next_offset)
    VALUES (%(group)s, %(topic)s, %(partition)s, %(topic_id)s, %(next_offset)s)
    ON CONFLICT DO NOTHING
"""

# SKIP LOCKED: a frozen worker that still holds the row must not freeze its successor as well;
# the partition is left out of this batch instead (R3). A pause of the topic that was committed
# before is obeyed here, also when the worker has not seen it yet.
_CLAIM = f"""
    WITH move AS (
        SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(expected)s::bigint[],
                             %(next_offsets)s::bigint[], %(reached)s::timestamptz[])
            AS move(topic, partition, expected, next_offset, reached)
    ), held AS (
        SELECT p.topic, p.partition FROM consumer_position p
        JOIN move USING (topic, partition)
        WHERE p.consumer_group = %(group)s AND p.next_offset = move.expected
          AND NOT {paused("topic", "p.topic")}
        ORDER BY p.topic, p.partition
        FOR UPDATE OF p SKIP LOCKED
    )
    UPDATE consumer_position p
    SET next_offset = greatest(p.next_offset, move.next_offset),
        processed_through = greatest(p.processed_through, move.reached)
    FROM move JOIN held USING (topic, partition)
    WHERE p.consumer_group = %(group)s AND p.topic = move.topic AND p.partition = move.partition
      AND p.next_offset = move.expected
    RETURNING p.topic, p.partition, p.next_offset, p.topic_id, p.processed_through,
              p.swept_through
"""  # noqa: S608 - the parts are constants of the code

_NOTE_UNREADABLE = """
    UPDATE consumer_position
    SET unreadable_offset = %(offset)s::bigint, unreadable_why = %(why)s::text
    WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
      AND (unreadable_offset, unreadable_why)
          IS DISTINCT FROM (%(offset)s::bigint, %(why)s::text)
"""

_BEGIN_ANEW = """
    UPDATE consumer_position p
    SET next_offset = move.first, topic_id = move.topic_id,
        unreadable_offset = NULL, unreadable_why = NULL
    FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(expected)s::bigint[],
                %(expected_ids)s::text[], %(firsts)s::bigint[], %(topic_ids)s::text[])
        AS move(topic, partition, expected, expected_id, first, topic_id)
    WHERE p.consumer_group = %(group)s AND p.topic = move.topic AND p.partition = move.partition
      AND p.next_offset = move.expected AND p.topic_id = move.expected_id
"""

_COMPLETE = """
    SELECT min(processed_through) FROM consumer_position
    WHERE consumer_group = %(group)s AND processed_through IS NOT NULL
      AND (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int[]))
    HAVING count(*) = %(count)s
"""


def load(
    tx: Connection, group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Position]:
    """The stored positions of those partitions that have one."""
    topics, numbers = _columns(partitions)
    parameters = {"group": group, "topics": topics, "partitions": numbers}
    return _positions(fetch(tx, _LOAD, parameters))


def load_topics(
    tx: Connection, group: str, topics: Collection[str]
) -> dict[TopicPartition, Position]:
    """All stored positions in these topics."""
    return _positions(fetch(tx, _LOAD_TOPICS, {"group": group, "topics": list(topics)}))


def create(
    tx: Connection, group: str, partition: TopicPartition, *, topic_id: str, next_offset: int
) -> None:
    """Store a first position, at the log's start; a no-op where there is one."""
    parameters = {
        "group": group,
        "topic": partition.topic,
        "partition": partition.partition,
        "topic_id": topic_id,
        "next_offset": next_offset,
    }
    execute(tx, _CREATE, parameters)


def claim(
    tx: Connection, group: str, moves: Sequence[OffsetAdvance]
) -> dict[TopicPartition, Position]:
    """Move positions by compare-and-swap, locking their rows; the FIRST statement of a batch.

    Returns the positions that were moved, as they are now. Nothing may be handled of a partition
    that is missing: another worker has moved it or holds its row (R3), or its topic is paused.
    """
    topics, numbers = _columns(move.partition for move in moves)
    parameters = {
        "group": group,
        "topics": topics,
        "partitions": numbers,
        "expected": [move.expected for move in moves],
        "next_offsets": [move.next_offset for move in moves],
        "reached": [move.processed_through for move in moves],
    }
    return _positions(fetch(tx, _CLAIM, parameters))


def note_unreadable(
    tx: Connection, group: str, partition: TopicPartition, found: Unreadable | None
) -> None:
    """Store why the position cannot move, for status and alarm, or None: nothing is in its way.

    A position that has passed the noted offset makes the note void.
    """
    parameters = {
        "group": group,
        "topic": partition.topic,
        "partition": partition.partition,
        "offset": None if found is None else found.offset,
        "why": None if found is None else found.why,
    }
    execute(tx, _NOTE_UNREADABLE, parameters)


def begin_anew(tx: Connection, group: str, moves: Sequence[BeginAnew]) -> int:
    """Move positions to the beginning of their logs by compare-and-swap; return how many were
    moved. The business times stay: time does not go back."""
    topics, numbers = _columns(move.partition for move in moves)
    parameters = {
        "group": group,
        "topics": topics,
        "partitions": numbers,
        "expected": [move.stored.next_offset for move in moves],
        "expected_ids": [move.stored.topic_id for move in moves],
        "firsts": [move.first for move in moves],
        "topic_ids": [move.topic_id for move in moves],
    }
    return execute(tx, _BEGIN_ANEW, parameters)


def complete_through(
    tx: Connection, group: str, expected: Collection[TopicPartition]
) -> datetime | None:
    """The least `processed_through` of the expected partitions; None until all have one."""
    topics, numbers = _columns(expected)
    parameters = {
        "group": group,
        "topics": topics,
        "partitions": numbers,
        "count": len(expected),
    }
    instant: datetime | None = fetch_value(tx, _COMPLETE, parameters)
    return instant


def _positions(rows: Iterable[Any]) -> dict[TopicPartition, Position]:
    return {
        TopicPartition(row.topic, row.partition): Position(
            row.next_offset, row.topic_id, row.processed_through, row.swept_through
        )
        for row in rows
    }


def _columns(partitions: Iterable[TopicPartition]) -> tuple[list[str], list[int]]:
    pairs = list(partitions)
    return [tp.topic for tp in pairs], [tp.partition for tp in pairs]
