"""How far a service has come, read from the runtime's tables in its database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch, fetch_value, real_time
from rapport_runtime.ops.pauses import in_force
from rapport_runtime.ops.purge_runs import last_runs
from rapport_runtime.ops.status_routes import (
    PartitionStatus,
    PauseStatus,
    PurgeStatus,
    Status,
    UnreadableStatus,
    WorkerState,
    WorkerStatus,
)

LIVE = timedelta(seconds=30)
"""The lag of a worker whose last sign is older does not count."""

_POSITIONS = """
    SELECT topic, partition, next_offset, processed_through, swept_through, unreadable_why,
        CASE WHEN unreadable_offset >= next_offset THEN unreadable_offset END AS unreadable_offset
    FROM consumer_position WHERE consumer_group = %(group)s ORDER BY topic, partition
"""
_WORKERS = """
    SELECT worker_id, progressed_at, partitions, lag, last_error
    FROM worker WHERE consumer_group = %(group)s ORDER BY worker_id
"""
_OLDEST = """
    SELECT created_at FROM outbox WHERE id > coalesce((SELECT through FROM outbox_drained), 0)
    ORDER BY id LIMIT 1
"""


class DatabaseStatus:
    """A `StatusSource` on the database of a service, for its one consumer group.

    Business time is the earliest of the times of the partitions in `timed`; it is unknown until
    each of them has one. `by` names the column that holds a partition's time.
    """

    def __init__(
        self,
        database: Database,
        service: str,
        group: str,
        *,
        timed: Collection[TopicPartition],
        by: Literal["processed_through", "swept_through"] = "processed_through",
    ) -> None:
        self._database = database
        self._service = service
        self._group = group
        self._timed = timed
        self._by = by

    def status(self) -> Status:
        """The state now, read in one transaction."""
        with self._database.transaction() as tx:
            now = real_time(tx)
            positions = fetch(tx, _POSITIONS, {"group": self._group})
            workers = fetch(tx, _WORKERS, {"group": self._group})
            oldest = fetch_value(tx, _OLDEST)
            paused, purged = in_force(tx), last_runs(tx)
        stored = {TopicPartition(row.topic, row.partition): row for row in positions}
        return Status(
            service=self._service,
            as_of=now,
            business_time=self._least_time(stored),
            partitions=[_partition(row) for row in positions],
            lag=_lag(stored, [row for row in workers if now - row.progressed_at < LIVE]),
            oldest_unpublished_at=oldest,
            workers=[_worker(row, now) for row in workers],
            pauses=[PauseStatus.of(pause) for pause in paused],
            purges=[PurgeStatus(**run._asdict()) for run in purged],
        )

    def _least_time(self, stored: Mapping[TopicPartition, Any]) -> datetime | None:
        """The least over the timed partitions; None until each has one."""
        instants = [getattr(stored.get(tp), self._by, None) for tp in self._timed]
        known = [instant for instant in instants if instant is not None]
        return min(known) if known and len(known) == len(instants) else None


def _lag(stored: Mapping[TopicPartition, Any], live: Sequence[Any]) -> int | None:
    """The sum over the live workers; None unless they hold every stored partition."""
    held = {name for row in live for name in row.partitions}
    lags = [row.lag for row in live]
    if None in lags or not held >= {f"{tp.topic}/{tp.partition}" for tp in stored}:
        return None
    return sum(lags) if live else None


def _partition(row: Any) -> PartitionStatus:
    return PartitionStatus(
        topic=row.topic,
        partition=row.partition,
        position=row.next_offset,
        processed_through=row.processed_through,
        swept_through=row.swept_through,
        unreadable=None
        if row.unreadable_offset is None
        else UnreadableStatus(offset=row.unreadable_offset, why=row.unreadable_why),
    )


def _worker(row: Any, now: datetime) -> WorkerStatus:
    return WorkerStatus(
        id=row.worker_id,
        state=_state(row, now),
        last_progress_at=row.progressed_at,
        partitions=row.partitions,
        last_error=row.last_error,
    )


def _state(row: Any, now: datetime) -> WorkerState:
    if row.lag is None:  # a loop that halts writes its row once more, without a lag
        return "halted"
    return "live" if now - row.progressed_at < LIVE else "silent"
