"""What the last purge of each class did, for the status page and Prometheus."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.database import fetch, fetch_value

_RUNS = """
    SELECT class AS name, finished_at, rows, oldest_left_at, seconds FROM purge_run ORDER BY class
"""
# Before the first run: since the database was created or restored.
_AGE = """
    SELECT extract(epoch FROM clock_timestamp() - min(coalesce(finished_at, drawn_at)))::float
    FROM incarnation LEFT JOIN purge_run ON true
"""


class PurgeRun(NamedTuple):
    """The last run of one class; `finished_at` is None until one has succeeded."""

    name: str
    finished_at: datetime | None
    rows: int
    oldest_left_at: datetime | None
    seconds: float


def last_runs(tx: Connection) -> list[PurgeRun]:
    """The last run of each class, by its name."""
    return [PurgeRun(**row._asdict()) for row in fetch(tx, _RUNS)]


def age_seconds(tx: Connection) -> float:
    """How long ago the class that waits longest was purged; without any, the database's age."""
    age: float = fetch_value(tx, _AGE)
    return age
