"""The sealed records of sources that are not declared, and their way into the queues."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports import Sealer
from ingestion_service.store.sealed_records import seal
from rapport_runtime.database import execute, fetch, fetch_value

# The rows of sources come first, in the order of their keys: whoever adds to one waits there, so
# that its records lie in the order in which transactions commit.
_WAIT: Final = """
    WITH read AS (
        SELECT * FROM unnest(%(practice_ids)b::text[], %(sources)b::text[], %(topics)b::text[],
            %(partitions)b::int[], %(offsets)b::bigint[], %(timestamps)b::bigint[],
            %(sealed)b::bytea[]) WITH ORDINALITY
            AS read(practice_id, source, topic, partition, record_offset, record_timestamp, sealed,
                place)
    ), counted AS (
        INSERT INTO undeclared (practice_id, source, waiting, waits_since)
        SELECT practice_id, source, count(*), %(now)b::timestamptz
        FROM read GROUP BY practice_id, source ORDER BY practice_id, source
        ON CONFLICT (practice_id, source)
        DO UPDATE SET waiting = undeclared.waiting + excluded.waiting
        RETURNING practice_id, source
    )
    INSERT INTO undeclared_record
        (practice_id, source, topic, partition, record_offset, record_timestamp, sealed)
    SELECT practice_id, source, topic, partition, record_offset, record_timestamp, sealed
    FROM counted JOIN read USING (practice_id, source) ORDER BY place
"""
_RELEASE: Final = """
    UPDATE undeclared SET is_declared = true
    WHERE practice_id = %(practice_id)b AND source = %(source)b
"""
_LOCK_DECLARED: Final = """
    SELECT practice_id, source FROM undeclared WHERE is_declared
    ORDER BY moved_at, practice_id, source LIMIT 1 FOR UPDATE SKIP LOCKED
"""
# Sealed for the same practice and place in the log as what is deferred: nothing is opened here.
_MOVE: Final = """
    WITH first AS (
        SELECT max(record_id) AS last FROM (
            SELECT record_id FROM undeclared_record
            WHERE practice_id = %(practice_id)b AND source = %(source)b
            ORDER BY record_id LIMIT %(limit)b::int
        ) AS chosen
    ), taken AS (
        DELETE FROM undeclared_record USING first
        WHERE practice_id = %(practice_id)b AND source = %(source)b AND record_id <= first.last
        RETURNING undeclared_record.*
    ), moved AS (
        INSERT INTO deferred (practice_id, topic, partition, record_offset, record_timestamp,
            sealed, deferred_at)
        SELECT practice_id, topic, partition, record_offset, record_timestamp, sealed,
            %(now)b::timestamptz
        FROM taken ORDER BY record_id
        RETURNING deferred_id
    )
    UPDATE practice_queue SET waiting = waiting + (SELECT count(*) FROM moved)
    WHERE practice_id = %(practice_id)b
    RETURNING (SELECT count(*) FROM moved)
"""
_SAVE_MOVED: Final = """
    UPDATE undeclared SET waiting = waiting - %(moved)b::bigint, moved_at = clock_timestamp()
    WHERE practice_id = %(practice_id)b AND source = %(source)b
    RETURNING waiting
"""
_END: Final = """
    DELETE FROM undeclared WHERE practice_id = %(practice_id)b AND source = %(source)b
"""


def wait(
    tx: sa.Connection,
    records: Sequence[tuple[SourceKey, SourceRecord]],
    now: datetime,
    sealer: Sealer,
) -> None:
    """See `SourceStore.await_declaration`."""
    parameters = {
        "practice_ids": [key.practice_id for key, _ in records],
        "sources": [key.source for key, _ in records],
        "topics": [record.topic for _, record in records],
        "partitions": [record.partition for _, record in records],
        "offsets": [record.offset for _, record in records],
        "timestamps": [record.timestamp for _, record in records],
        "sealed": [seal(sealer, key.practice_id, record) for key, record in records],
        "now": now,
    }
    execute(tx, _WAIT, parameters, prepare=False)


def release(tx: sa.Connection, key: SourceKey) -> None:
    """See `SourceStore.release_undeclared`."""
    execute(tx, _RELEASE, key._asdict(), prepare=False)


def lock_declared(tx: sa.Connection) -> SourceKey | None:
    """See `SourceStore.lock_declared`."""
    rows = fetch(tx, _LOCK_DECLARED)
    return SourceKey._make(rows[0]) if rows else None


def move(tx: sa.Connection, key: SourceKey, limit: int, now: datetime) -> int:
    """See `SourceStore.move_undeclared`."""
    of = key._asdict()
    moved: int = fetch_value(tx, _MOVE, {**of, "limit": limit, "now": now})
    if fetch_value(tx, _SAVE_MOVED, {**of, "moved": moved}) <= 0:
        execute(tx, _END, of)
    return moved
