"""The queues of practices that wait, and the sealed records in them."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.ports import Deferred, Queue, Sealer
from ingestion_service.store.sealed_records import LogPlace, seal, unseal
from rapport_runtime.database import execute, fetch, fetch_value
from rapport_runtime.ops.pauses import paused, this_worker

COUNT_UP_TO: Final = 1_000
"""The largest number of practices that is counted."""

_IS_ANNOUNCED: Final = "practice_queue.incarnation = (SELECT digits FROM incarnation)"
_COLUMNS: Final = f"practice_id, hold_id, stands_at, {_IS_ANNOUNCED} AS is_announced"
# Locked in the order of the keys: no two workers wait for each other. A row that another worker
# has deleted meanwhile is not found.
_LOCK: Final = f"""
    SELECT {_COLUMNS} FROM practice_queue
    WHERE practice_id = ANY(%(practice_ids)b::text[])
    ORDER BY practice_id FOR UPDATE OF practice_queue
"""
_TRY_LOCK: Final = f"""
    SELECT {_COLUMNS} FROM practice_queue WHERE practice_id = %(practice_id)b
    FOR UPDATE OF practice_queue SKIP LOCKED
"""
# One that another worker opens at the moment is waited for, and locked as it left it.
_OPEN: Final = f"""
    INSERT INTO practice_queue (practice_id, hold_id, stands_at, waiting, incarnation)
    SELECT opened.practice_id, opened.hold_id, %(now)b::timestamptz, 0, digits
    FROM unnest(%(practice_ids)b::text[], %(hold_ids)b::text[]) AS opened(practice_id, hold_id),
        incarnation
    ORDER BY opened.practice_id
    ON CONFLICT (practice_id) DO UPDATE SET waiting = practice_queue.waiting
    RETURNING {_COLUMNS}
"""
_COUNT: Final = """
    SELECT count(*) FROM (SELECT FROM practice_queue LIMIT %(limit)s) AS counted
"""
_HEAD: Final = """
    (SELECT topic FROM deferred WHERE deferred.practice_id = practice_queue.practice_id
    ORDER BY deferred_id LIMIT 1)
"""
_NEXT: Final = f"""
    SELECT practice_id FROM practice_queue
    WHERE NOT {paused("worker", "'*'")} AND NOT {paused("worker", "%(worker)s")}
      AND NOT {paused("topic", _HEAD)}
    ORDER BY drained_at, practice_id LIMIT %(limit)s
"""
_UNANNOUNCED: Final = f"SELECT practice_id FROM practice_queue WHERE NOT {_IS_ANNOUNCED}"
_NOTE_ANNOUNCED: Final = """
    UPDATE practice_queue SET incarnation = digits FROM incarnation
    WHERE practice_id = ANY(%(practice_ids)b::text[])
"""
# The places are drawn in the order of the arrays; the queues are locked, so that within one queue
# they are in the order in which transactions commit.
_DEFER: Final = """
    WITH added AS (
        INSERT INTO deferred (practice_id, topic, partition, record_offset, record_timestamp,
            sealed, deferred_at)
        SELECT practice_id, topic, partition, record_offset, record_timestamp, sealed,
            %(now)b::timestamptz
        FROM unnest(%(practice_ids)b::text[], %(topics)b::text[], %(partitions)b::int[],
            %(offsets)b::bigint[], %(timestamps)b::bigint[], %(sealed)b::bytea[]) WITH ORDINALITY
            AS read(practice_id, topic, partition, record_offset, record_timestamp, sealed, place)
        ORDER BY place
        RETURNING practice_id
    )
    UPDATE practice_queue SET waiting = waiting + counted.number
    FROM (SELECT practice_id, count(*) AS number FROM added GROUP BY practice_id) AS counted
    WHERE practice_queue.practice_id = counted.practice_id
"""
_DEFERRED: Final = f"""
    SELECT deferred_id, deferred_at, {paused("topic", "deferred.topic")} AS is_paused,
        topic, partition, record_offset, record_timestamp, sealed
    FROM deferred WHERE practice_id = %(practice_id)b
    ORDER BY deferred_id LIMIT %(limit)s
"""
_TAKE: Final = """
    DELETE FROM deferred WHERE practice_id = %(practice_id)b AND deferred_id <= %(last)b::bigint
"""
_SAVE_TURN: Final = """
    UPDATE practice_queue
    SET stands_at = %(stands_at)b, waiting = waiting - %(taken)b::bigint,
        drained_at = clock_timestamp()
    WHERE practice_id = %(practice_id)b
"""
_TAKE_ALL: Final = "DELETE FROM deferred WHERE practice_id = %(practice_id)b"
_CLOSE: Final = "DELETE FROM practice_queue WHERE practice_id = %(practice_id)b"
_NOTE_TURN: Final = """
    UPDATE practice_queue SET drained_at = clock_timestamp() WHERE practice_id = %(practice_id)b
"""


def lock(tx: sa.Connection, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Queue]:
    """See `Store.lock_queues`."""
    rows = fetch(tx, _LOCK, {"practice_ids": list(practice_ids)}, prepare=False)
    return {row.practice_id: _queue(row) for row in rows}


def try_lock(tx: sa.Connection, practice_id: PracticeId) -> Queue | None:
    """See `Store.try_lock_queue`."""
    rows = fetch(tx, _TRY_LOCK, {"practice_id": practice_id}, prepare=False)
    return _queue(rows[0]) if rows else None


def open_all(
    tx: sa.Connection, practice_ids: Collection[PracticeId], now: datetime
) -> Mapping[PracticeId, Queue]:
    """See `Store.open_queues`."""
    drawn = {uuid.uuid4().hex: practice_id for practice_id in practice_ids}
    parameters = {"hold_ids": list(drawn), "practice_ids": list(drawn.values()), "now": now}
    rows = fetch(tx, _OPEN, parameters, prepare=False)
    return {row.practice_id: _queue(row, is_new=row.hold_id in drawn) for row in rows}


def count(tx: sa.Connection) -> int:
    """See `Store.count_queues`."""
    number: int = fetch_value(tx, _COUNT, {"limit": COUNT_UP_TO})
    return number


def next_practices(tx: sa.Connection, limit: int) -> list[PracticeId]:
    """See `Store.next_queues`."""
    rows = fetch(tx, _NEXT, {"worker": this_worker(), "limit": limit})
    return [row.practice_id for row in rows]


def unannounced(tx: sa.Connection) -> list[PracticeId]:
    """See `Store.unannounced_queues`."""
    return [row.practice_id for row in fetch(tx, _UNANNOUNCED)]


def note_announced(tx: sa.Connection, practice_ids: Collection[PracticeId]) -> None:
    """See `Store.note_announced`."""
    execute(tx, _NOTE_ANNOUNCED, {"practice_ids": list(practice_ids)}, prepare=False)


def defer(
    tx: sa.Connection,
    records: Sequence[tuple[PracticeId, SourceRecord]],
    now: datetime,
    sealer: Sealer,
) -> None:
    """See `Store.defer`."""
    parameters = {
        "practice_ids": [practice_id for practice_id, _ in records],
        "topics": [record.topic for _, record in records],
        "partitions": [record.partition for _, record in records],
        "offsets": [record.offset for _, record in records],
        "timestamps": [record.timestamp for _, record in records],
        "sealed": [seal(sealer, practice_id, record) for practice_id, record in records],
        "now": now,
    }
    execute(tx, _DEFER, parameters, prepare=False)


def first(tx: sa.Connection, practice_id: PracticeId, limit: int, sealer: Sealer) -> list[Deferred]:
    """See `Store.deferred`."""
    rows = fetch(tx, _DEFERRED, {"practice_id": practice_id, "limit": limit}, prepare=False)
    return [
        Deferred(row.deferred_id, row.deferred_at, row.is_paused, _record(row, practice_id, sealer))
        for row in rows
    ]


def save_turn(
    tx: sa.Connection, practice_id: PracticeId, *, last: int, taken: int, stands_at: datetime
) -> None:
    """See `Store.save_turn`."""
    execute(tx, _TAKE, {"practice_id": practice_id, "last": last}, prepare=False)
    parameters = {"practice_id": practice_id, "taken": taken, "stands_at": stands_at}
    execute(tx, _SAVE_TURN, parameters)


def close(tx: sa.Connection, practice_id: PracticeId) -> None:
    """See `Store.close_queue`."""
    execute(tx, _TAKE_ALL, {"practice_id": practice_id}, prepare=False)
    execute(tx, _CLOSE, {"practice_id": practice_id})


def pass_turn(tx: sa.Connection, practice_id: PracticeId) -> None:
    """See `Store.pass_turn`."""
    execute(tx, _NOTE_TURN, {"practice_id": practice_id})


def _queue(row: Any, *, is_new: bool = False) -> Queue:
    return Queue(
        row.practice_id, row.hold_id, row.stands_at, is_announced=row.is_announced, is_new=is_new
    )


def _record(row: Any, practice_id: PracticeId, sealer: Sealer) -> SourceRecord:
    place = LogPlace(practice_id, row.topic, row.partition, row.record_offset)
    return unseal(sealer, place, row.sealed, row.record_timestamp)
