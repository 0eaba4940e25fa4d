"""`Stores` over one Postgres database: in the loop's transaction, or in one of its own."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.ops.shared_keys import merge_key
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import TierTransition
from scoring_service.store.clients import PostgresClients
from scoring_service.store.holds import PostgresHolds
from scoring_service.store.sweep_progress import SweepProgress

_SAVE_PRACTICE = """
    INSERT INTO practice (practice_id, name, zone, currency, said_at)
    VALUES (%(practice_id)s, %(name)s, %(zone)s, %(currency)s, %(said_at)s)
    ON CONFLICT (practice_id) DO UPDATE
    SET name = excluded.name, zone = excluded.zone, currency = excluded.currency,
        said_at = excluded.said_at
    WHERE practice.said_at <= excluded.said_at
"""
_ZONES = "SELECT zone FROM partition_zone WHERE partition = %(partition)s"
_AWAIT_FIRST_ASSESSMENT = """
    INSERT INTO first_watermark (partition, up_to) VALUES (%(partition)s, %(watermark)s)
    ON CONFLICT DO NOTHING
"""


class PostgresStore:
    """`Store` within one transaction."""

    def __init__(
        self, tx: sa.Connection, clients: PostgresClients, progress: SweepProgress
    ) -> None:
        self._tx = tx
        self._progress = progress
        self.clients = clients
        self.holds = PostgresHolds(tx)

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        """See `Store.save_practice`."""
        execute(self._tx, _SAVE_PRACTICE, practice)

    def save_key(self, key: Mapping[str, Any]) -> None:
        """See `Store.save_key`."""
        merge_key(self._tx, key)

    def zones_of(self, partition: int) -> set[str]:
        """See `Store.zones_of`."""
        return {row.zone for row in fetch(self._tx, _ZONES, {"partition": partition})}

    def await_first_assessment(self, partition: int, watermark: datetime) -> None:
        """See `Store.await_first_assessment`."""
        parameters = {"partition": partition, "watermark": watermark}
        execute(self._tx, _AWAIT_FIRST_ASSESSMENT, parameters)

    def lock_unswept(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """See `Store.lock_unswept`."""
        return self._progress.lock_unswept(self._tx, partitions)

    def mark_swept(self, until: Mapping[int, datetime]) -> None:
        """See `Store.mark_swept`."""
        self._progress.mark_swept(self._tx, until)


class PostgresStores:
    """`Stores` over one database; `encode` makes the event of a transition."""

    def __init__(
        self,
        database: Database,
        rulebook: Rulebook,
        progress: SweepProgress,
        encode: Callable[[TierTransition, str], Outgoing],
    ) -> None:
        self._database = database
        self._rulebook = rulebook
        self._progress = progress
        self._encode = encode

    def within(self, tx: sa.Connection) -> PostgresStore:
        """See `Stores.within`."""
        clients = PostgresClients(tx, self._rulebook, self._encode)
        return PostgresStore(tx, clients, self._progress)

    @contextmanager
    def open(self) -> Iterator[PostgresStore]:
        """See `Stores.open`."""
        with self._database.transaction() as tx:
            yield self.within(tx)
