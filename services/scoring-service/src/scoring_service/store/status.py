"""Scoring's status: the runtime's, and the oldest review that is due but not done."""

from rapport_runtime.database import Database, fetch_value
from rapport_runtime.ops.status_routes import Status, StatusSource
from scoring_service.store.clients import WAITS

_OLDEST_DUE = f"""
    SELECT min(due.at) FROM consumer_position p, LATERAL (
        (SELECT review_at AS at FROM client
         WHERE partition = p.partition AND review_at <= p.processed_through AND held_at IS NULL
         ORDER BY review_at LIMIT 1)
        UNION ALL
        SELECT up_to FROM first_watermark f
        WHERE f.partition = p.partition
          AND EXISTS (SELECT FROM client WHERE partition = f.partition AND {WAITS})
    ) AS due
    WHERE p.consumer_group = %(group)s AND p.topic = %(topic)s
"""


class ScoringStatus:
    """The runtime's status with `oldest_due_at`: the oldest review of any client that a watermark
    has passed and no sweep has done yet; None when there is none."""

    def __init__(
        self, database: Database, runtime_status: StatusSource, *, group: str, topic: str
    ) -> None:
        self._database = database
        self._runtime_status = runtime_status
        self._group_and_topic = {"group": group, "topic": topic}

    def status(self) -> Status:
        """See `StatusSource.status`."""
        with self._database.transaction(operator=True) as tx:
            due = fetch_value(tx, _OLDEST_DUE, self._group_and_topic)
        return self._runtime_status.status().model_copy(update={"oldest_due_at": due})
