"""What waits in queues and what is parked, for the status and for Prometheus."""

from typing import Any, Final

import sqlalchemy as sa

from rapport_runtime.database import Database, fetch_one
from rapport_runtime.metrics import (
    DEFERRED_OLDEST_SECONDS,
    DEFERRED_PRACTICES,
    DEFERRED_RECORDS,
    PARKED_OLDEST_SECONDS,
)
from rapport_runtime.ops.status_routes import QueueStatus, Status, StatusSource

_GAUGES: Final = (
    DEFERRED_RECORDS,
    DEFERRED_PRACTICES,
    DEFERRED_OLDEST_SECONDS,
    PARKED_OLDEST_SECONDS,
)
_QUEUES: Final = """
    SELECT count(*) AS practices, coalesce(sum(waiting), 0)::bigint AS records,
        min(stands_at) AS oldest_at,
        coalesce(extract(epoch FROM coalesce((SELECT simulated_at FROM clock), clock_timestamp())
            - min(stands_at))::float, 0) AS age,
        coalesce(pg_sequence_last_value('deferred_deferred_id_seq'), 0) AS ever
    FROM practice_queue
"""
_PARKED: Final = """
    SELECT coalesce(extract(epoch FROM coalesce((SELECT simulated_at FROM clock), clock_timestamp())
        - min(oldest_at))::float, 0) AS age
    FROM parked_object WHERE NOT is_met
"""


class IngestionStatus:
    """The runtime's status with what waits."""

    def __init__(self, database: Database, runtime_status: StatusSource) -> None:
        self._database = database
        self._runtime_status = runtime_status

    def status(self) -> Status:
        """See `StatusSource.status`. The queues are read last: where they are empty, all that the
        positions have passed is accepted."""
        status = self._runtime_status.status()
        with self._database.transaction(operator=True) as tx:
            row = _queues(tx)
        queues = QueueStatus(
            practices=row.practices,
            records=row.records,
            oldest_at=row.oldest_at,
            ever=row.ever,
        )
        return status.model_copy(update={"queues": queues})


class QueueGauges:
    """Brings the gauges of what waits up to date; while the database is away there are none."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group

    def __call__(self) -> None:
        """Read and set the gauges. Raises what the database raises."""
        for gauge in _GAUGES:
            gauge.clear()
        with self._database.transaction(operator=True) as tx:
            row, parked = _queues(tx), fetch_one(tx, _PARKED)
        DEFERRED_RECORDS.labels(self._group).set(row.records)
        DEFERRED_PRACTICES.labels(self._group).set(row.practices)
        DEFERRED_OLDEST_SECONDS.labels(self._group).set(row.age)
        PARKED_OLDEST_SECONDS.labels(self._group).set(parked.age)


def _queues(tx: sa.Connection) -> Any:
    return fetch_one(tx, _QUEUES)
