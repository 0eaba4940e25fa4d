"""How many sources are silent, for Prometheus."""

from typing import Final

from rapport_runtime.database import Database, fetch_value
from rapport_runtime.metrics import SILENT_SOURCES

_SILENT: Final = "SELECT count(*) FROM source_watch WHERE hold_id IS NOT NULL"


class SilenceGauge:
    """Brings the gauge of silent sources up to date; while the database is away there is none."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group

    def __call__(self) -> None:
        """Read and set the gauge. Raises what the database raises."""
        SILENT_SOURCES.clear()
        with self._database.transaction(operator=True) as tx:
            SILENT_SOURCES.labels(self._group).set(fetch_value(tx, _SILENT))
