"""Records that could not be handled, kept as they were until a person decides (ARCHITECTURE §3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import DeadLetter


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it was kept; satisfies `Record`."""

    letter_id: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


_SAVE = sa.text("""
    INSERT INTO dead_letter (consumer_group, topic, partition, record_offset, record_key,
        record_value, header_names, header_values, record_timestamp, practice_id, reason, field,
        detail)
    VALUES (:group, :topic, :partition, :offset, :key, :value, :names, :values, :timestamp,
        :practice_id, :reason, :field, :detail)
    ON CONFLICT (consumer_group, topic, partition, record_offset) DO UPDATE
    SET reason = excluded.reason, field = excluded.field, detail = excluded.detail,
        practice_id = coalesce(excluded.practice_id, dead_letter.practice_id),
        state = 'held', decided_at = NULL
""")
_TAKE = sa.text("""
    SELECT id, record_offset, record_key, record_value, header_names, header_values,
        record_timestamp
    FROM dead_letter
    WHERE consumer_group = :group AND topic = :topic AND partition = :partition
      AND state = 'queued'
    ORDER BY record_offset LIMIT least(:limit, (
        SELECT min(stop_after) FROM dead_letter WHERE consumer_group = :group AND topic = :topic
          AND partition = :partition AND state = 'queued'))
    FOR UPDATE SKIP LOCKED
""")
# Held again keeps its replay's id: it failed. What is stopped loses it, for it was not tried.
_STOP = sa.text("""
    WITH failed AS (
        SELECT replay_id FROM dead_letter
        WHERE replay_id IN (SELECT replay_id FROM dead_letter WHERE id = ANY(:ids))
          AND state = 'held'
        GROUP BY replay_id HAVING count(*) >= min(stop_after)
    ), waiting AS (
        SELECT id FROM dead_letter JOIN failed USING (replay_id) WHERE state = 'queued'
        ORDER BY id FOR UPDATE OF dead_letter SKIP LOCKED
    )
    UPDATE dead_letter SET state = 'held', replay_id = NULL, stop_after = NULL
    FROM waiting WHERE dead_letter.id = waiting.id
""")
_QUEUED = sa.text("""
    SELECT DISTINCT topic, partition FROM dead_letter
    WHERE consumer_group = :group AND state = 'queued'
""")
_DONE = sa.text("""
    UPDATE dead_letter SET state = 'replayed', decided_at = clock_timestamp()
    WHERE id = ANY(:ids)
""")


def save(tx: sa.Connection, group: str, letters: Iterable[DeadLetter]) -> None:
    """Keep the letters; one that comes back from a replay is held again with its new reason."""
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
            "practice_id": letter.error.practice_id,
            "reason": letter.error.reason,
            "field": None if letter.error.field is None else _storable(letter.error.field),
            "detail": _storable(letter.error.detail),
        }
        for letter in letters
    ]
    if rows:
        tx.execute(_SAVE, rows)


def _storable(text: str) -> str:
    """A text as Postgres takes it. Header names and JSON pointers come from the poison itself."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def queued_partitions(tx: sa.Connection, group: str) -> set[TopicPartition]:
    """Where letters wait to be replayed."""
    rows = tx.execute(_QUEUED, {"group": group})
    return {TopicPartition(row.topic, row.partition) for row in rows}


def take_queued(
    tx: sa.Connection, group: str, partition: TopicPartition, limit: int
) -> list[StoredRecord]:
    """Letters of the partition that somebody asked to replay, locked, oldest offset first."""
    rows = tx.execute(
        _TAKE,
        {
            "group": group,
            "topic": partition.topic,
            "partition": partition.partition,
            "limit": limit,
        },
    )
    return [
        StoredRecord(
            row.id,
            row.record_offset,
            row.record_key,
            row.record_value,
            tuple(zip(row.header_names, row.header_values, strict=True)),
            row.record_timestamp,
        )
        for row in rows
    ]


def mark_replayed(tx: sa.Connection, records: Sequence[StoredRecord]) -> None:
    """Say that these letters were handled."""
    tx.execute(_DONE, {"ids": [record.letter_id for record in records]})


def stop_failing(tx: sa.Connection, records: Sequence[StoredRecord]) -> int:
    """After a replay of `records`: hold what still waits of a replay of which as many failed again
    as its policy allows; returns how many. What another worker is handling just now goes on."""
    return tx.execute(_STOP, {"ids": [record.letter_id for record in records]}).rowcount
