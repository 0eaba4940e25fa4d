"""Records that could not be handled, stored unchanged until a person decides (F37)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import execute, execute_many, fetch
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import DeadLetter


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A stored record; satisfies `Record`."""

    letter_id: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    reason: str
    detail: str


UNREADABLE_BATCH: Final = "unreadable-batch"
"""The reason of a letter whose value is a batch that the client cannot read, or None: a replay
would take the bytes for a record's."""

UNREADABLE_RECORD: Final = "unreadable-record"
"""The reason of a letter whose record is whole but for what kept the client from reading it."""

# The topic's id: one that is made anew gives the same offsets out again, to other records.
_SAVE = """
    INSERT INTO dead_letter (consumer_group, topic, partition, topic_id, record_offset, record_key,
        record_value, header_names, header_values, record_timestamp, practice_id, named_practice,
        reason, field, detail)
    VALUES (%(group)s, %(topic)s, %(partition)s,
        (SELECT topic_id FROM consumer_position WHERE consumer_group = %(group)s
            AND topic = %(topic)s AND partition = %(partition)s),
        %(offset)s, %(key)s, %(value)s, %(names)s, %(values)s, %(timestamp)s, %(practice_id)s,
        %(named_practice)s, %(reason)s, %(field)s, %(detail)s)
    ON CONFLICT (consumer_group, topic, partition, topic_id, record_offset) DO UPDATE
    SET reason = excluded.reason, field = excluded.field, detail = excluded.detail,
        practice_id = coalesce(excluded.practice_id, dead_letter.practice_id),
        named_practice = coalesce(excluded.named_practice, dead_letter.named_practice),
        state = 'held', decided_at = NULL
"""
_HOLD_AGAIN = """
    UPDATE dead_letter
    SET reason = %(reason)s, field = %(field)s, detail = %(detail)s,
        practice_id = coalesce(%(practice_id)s, practice_id),
        named_practice = coalesce(%(practice_id)s, named_practice),
        state = 'held', decided_at = NULL
    WHERE id = %(letter_id)s
"""
_TAKE = """
    SELECT id, record_offset, record_key, record_value, header_names, header_values,
        record_timestamp, reason, detail
    FROM dead_letter
    WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
      AND state = 'queued'
    ORDER BY record_offset LIMIT least(%(limit)s, (
        SELECT min(stop_after) FROM dead_letter
        WHERE consumer_group = %(group)s AND topic = %(topic)s
          AND partition = %(partition)s AND state = 'queued'))
    FOR UPDATE SKIP LOCKED
"""
# A letter that failed again keeps its replay's id; one that is stopped was not tried and loses it.
_STOP = """
    WITH failed AS (
        SELECT replay_id FROM dead_letter
        WHERE replay_id IN (SELECT replay_id FROM dead_letter WHERE id = ANY(%(ids)s))
          AND state = 'held'
        GROUP BY replay_id HAVING count(*) >= min(stop_after)
    ), waiting AS (
        SELECT id FROM dead_letter JOIN failed USING (replay_id) WHERE state = 'queued'
        ORDER BY id FOR UPDATE OF dead_letter SKIP LOCKED
    )
    UPDATE dead_letter SET state = 'held', replay_id = NULL, stop_after = NULL
    FROM waiting WHERE dead_letter.id = waiting.id
"""
_QUEUED = """
    SELECT DISTINCT topic, partition FROM dead_letter
    WHERE consumer_group = %(group)s AND state = 'queued'
"""
_DONE = """
    UPDATE dead_letter SET state = 'replayed', decided_at = clock_timestamp()
    WHERE id = ANY(%(ids)s)
"""


def save(tx: Connection, group: str, letters: Iterable[DeadLetter]) -> None:
    """Store the letters of records that a batch of the group holds; one that is stored already is
    held again with its new reason."""
    rows = [
        {
            "group": group,
            "topic": letter.partition.topic,
            "partition": letter.partition.partition,
            "offset": letter.record.offset,
            "key": letter.record.key,
            "value": letter.record.value,
            "names": [_storable(name) for name, _ in letter.record.headers],
            "values": [value for _, value in letter.record.headers],
            "timestamp": letter.record.timestamp,
            "named_practice": letter.practice,
            **_why(letter.error),
        }
        for letter in letters
    ]
    if rows:
        execute_many(tx, _SAVE, rows)


def hold_again(
    tx: Connection, records: Sequence[StoredRecord], letters: Iterable[DeadLetter]
) -> None:
    """Hold those of the stored records that have failed again in a replay, with the new reasons."""
    ids = {id(record): record.letter_id for record in records}
    rows = [{"letter_id": ids[id(each.record)], **_why(each.error)} for each in letters]
    if rows:
        execute_many(tx, _HOLD_AGAIN, rows)


def _why(error: InvalidRecord) -> dict[str, str | None]:
    return {
        "practice_id": error.practice_id,
        "reason": error.reason,
        "field": None if error.field is None else _storable(error.field),
        "detail": _storable(error.detail),
    }


def _storable(text: str) -> str:
    """A text as Postgres takes it: header names and JSON pointers come from the invalid record."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def queued_partitions(tx: Connection, group: str) -> set[TopicPartition]:
    """The partitions in which letters wait to be replayed."""
    return {
        TopicPartition(row.topic, row.partition) for row in fetch(tx, _QUEUED, {"group": group})
    }


def take_queued(
    tx: Connection, group: str, partition: TopicPartition, limit: int
) -> list[StoredRecord]:
    """Up to `limit` queued letters of the partition, locked, oldest offset first."""
    parameters = {
        "group": group,
        "topic": partition.topic,
        "partition": partition.partition,
        "limit": limit,
    }
    return [
        StoredRecord(
            row.id,
            row.record_offset,
            row.record_key,
            row.record_value,
            tuple(zip(row.header_names, row.header_values, strict=True)),
            row.record_timestamp,
            row.reason,
            row.detail,
        )
        for row in fetch(tx, _TAKE, parameters)
    ]


def mark_replayed(tx: Connection, records: Sequence[StoredRecord]) -> None:
    """Mark these letters as replayed."""
    execute(tx, _DONE, {"ids": [record.letter_id for record in records]})


def stop_failing(tx: Connection, records: Sequence[StoredRecord]) -> int:
    """Stop each replay of `records` that has reached its `stop_after`: its queued letters become
    held. Returns their number. A letter that another worker handles at the moment stays queued."""
    return execute(tx, _STOP, {"ids": [record.letter_id for record in records]})
