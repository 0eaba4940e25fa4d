"""How old the oldest generation of a client's facts is that is not complete, for Prometheus."""

from typing import Final

from rapport_runtime.database import Database, fetch_value
from rapport_runtime.metrics import GENERATION_OLDEST_SECONDS

_AGE: Final = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float
    FROM next_generation
"""


class GenerationAge:
    """Brings the gauge of a service up to date that folds generations beside others (ADR 48); while
    the database is away there is none."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group

    def __call__(self) -> None:
        """Read and set the gauge. Raises what the database raises."""
        GENERATION_OLDEST_SECONDS.clear()
        with self._database.transaction(operator=True) as tx:
            seconds = fetch_value(tx, _AGE)
        GENERATION_OLDEST_SECONDS.labels(self._group).set(seconds)
