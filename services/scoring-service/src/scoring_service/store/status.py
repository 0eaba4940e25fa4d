"""How far scoring has come, and the oldest thing that time owes a client."""

import sqlalchemy as sa

from rapport_runtime.database import Database
from rapport_runtime.ops.status_routes import Status, StatusSource

_OLDEST_DUE = sa.text("""
    SELECT min(c.review_at) FROM client c
    JOIN consumer_position p ON p.consumer_group = :group AND p.topic = :topic
        AND p.partition = c.partition
    WHERE c.review_at <= p.processed_through
""")


class ScoringStatus:
    """The chassis's status with the oldest review that a watermark has passed and no sweep has
    done yet; null when time owes nobody anything."""

    def __init__(
        self, database: Database, chassis: StatusSource, *, group: str, topic: str
    ) -> None:
        self._database = database
        self._chassis = chassis
        self._group_and_topic = {"group": group, "topic": topic}

    def status(self) -> Status:
        """See `StatusSource.status`."""
        with self._database.transaction(operator=True) as tx:
            due = tx.execute(_OLDEST_DUE, self._group_and_topic).scalar()
        return self._chassis.status().model_copy(update={"oldest_due_at": due})
