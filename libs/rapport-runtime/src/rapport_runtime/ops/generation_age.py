"""How old the oldest generation of a client's facts is that is not complete, for Prometheus."""

from rapport_runtime.database import Database, fetch_value
from rapport_runtime.metrics import GENERATION_OLDEST_SECONDS


class GenerationAge:
    """Brings the gauge of a service up to date that folds generations beside others (ADR 48); while
    the database is away there is none. `oldest` is the statement that gives the age in seconds."""

    def __init__(self, database: Database, group: str, oldest: str) -> None:
        self._database = database
        self._group = group
        self._oldest = oldest

    def __call__(self) -> None:
        """Read and set the gauge. Raises what the database raises."""
        GENERATION_OLDEST_SECONDS.clear()
        with self._database.transaction(operator=True) as tx:
            seconds = fetch_value(tx, self._oldest)
        GENERATION_OLDEST_SECONDS.labels(self._group).set(seconds)
