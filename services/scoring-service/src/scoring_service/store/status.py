"""Scoring's status: the runtime's, and the oldest review that is due but not done."""

from rapport_runtime.database import Database, fetch_value
from rapport_runtime.ops.status_routes import Status, StatusSource

_OLDEST_DUE = """
    SELECT min(c.review_at) FROM client c
    JOIN consumer_position p ON p.consumer_group = %(group)s AND p.topic = %(topic)s
        AND p.partition = c.partition
    WHERE c.review_at <= p.processed_through
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
