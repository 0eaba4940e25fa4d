"""How far a service has come, read from the chassis's own tables."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.http.status import PartitionStatus, Status, WorkerStatus

LIVE = timedelta(seconds=30)
"""A worker whose last sign is older does not tell the lag any more."""

_POSITIONS = sa.text("""
    SELECT topic, partition, next_offset, processed_through, swept_through
    FROM consumer_position WHERE consumer_group = :group ORDER BY topic, partition
""")
_WORKERS = sa.text("""
    SELECT worker_id, progressed_at, partitions, lag, last_error
    FROM worker WHERE consumer_group = :group ORDER BY worker_id
""")
_OLDEST = sa.text("SELECT min(created_at) FROM outbox")
_NOW = sa.text("SELECT clock_timestamp()")


class ChassisStatus:
    """A `StatusSource` on the database of a service, for its one consumer group.

    `timed` names the partitions whose watermarks make business time; without it they are all
    stored partitions of those topics of which any has a time (a topic of practices has none).
    """

    def __init__(
        self,
        database: Database,
        service: str,
        group: str,
        *,
        timed: Collection[TopicPartition] | None = None,
    ) -> None:
        self._database = database
        self._service = service
        self._group = group
        self._timed = timed

    def status(self) -> Status:
        """The state now, read in one transaction."""
        with self._database.transaction() as tx:
            now: datetime = tx.execute(_NOW).scalar_one()
            positions = tx.execute(_POSITIONS, {"group": self._group}).all()
            workers = tx.execute(_WORKERS, {"group": self._group}).all()
            oldest = tx.execute(_OLDEST).scalar_one()
        stored = {TopicPartition(row.topic, row.partition): row for row in positions}
        return Status(
            service=self._service,
            as_of=now,
            business_time=_least_time(stored, self._timed),
            partitions=[_partition(row) for row in positions],
            lag=_lag(stored, [row for row in workers if now - row.progressed_at < LIVE]),
            oldest_unpublished_at=oldest,
            workers=[_worker(row) for row in workers],
        )


def _least_time(
    stored: Mapping[TopicPartition, Any], timed: Collection[TopicPartition] | None
) -> datetime | None:
    """The least `processed_through`; None until every timed partition has one."""
    expected = _with_time(stored) if timed is None else timed
    instants = [stored[tp].processed_through if tp in stored else None for tp in expected]
    known = [instant for instant in instants if instant is not None]
    return min(known) if known and len(known) == len(instants) else None


def _with_time(stored: Mapping[TopicPartition, Any]) -> list[TopicPartition]:
    times: dict[str, bool] = defaultdict(bool)
    for tp, row in stored.items():
        times[tp.topic] |= row.processed_through is not None
    return [tp for tp in stored if times[tp.topic]]


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
    )


def _worker(row: Any) -> WorkerStatus:
    return WorkerStatus(
        id=row.worker_id,
        last_progress_at=row.progressed_at,
        partitions=row.partitions,
        last_error=row.last_error,
    )
