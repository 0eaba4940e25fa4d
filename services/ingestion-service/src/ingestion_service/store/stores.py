"""`ports.Stores` on Postgres."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from ingestion_service.domain.facts import PracticeId
from ingestion_service.ports import Sealer
from ingestion_service.ports.sources import Hashing
from ingestion_service.store.postgres_store import Encoders, PostgresStore
from rapport_runtime.database import Database


class PostgresStores:
    """`ports.Stores` over one database. With `is_simulated` ingestion's time is the clock that an
    operator sets, else the database's. `sealer` seals the records that wait, `personal` hashes
    personal client ids."""

    def __init__(
        self,
        database: Database,
        encoders: Encoders,
        sealer: Sealer,
        *,
        is_simulated: bool,
        personal: Hashing | None = None,
    ) -> None:
        self._database = database
        self._encoders = encoders
        self._sealer = sealer
        self._is_simulated = is_simulated
        self._personal = personal

    def within(self, tx: sa.Connection) -> PostgresStore:
        return PostgresStore(
            tx,
            self._encoders,
            self._sealer,
            is_simulated=self._is_simulated,
            personal=self._personal,
        )

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        return self._database.transaction()

    @contextmanager
    def open(self, practice_id: PracticeId) -> Iterator[PostgresStore]:
        with self._database.transaction(practice_id) as tx:
            yield self.within(tx)

    @contextmanager
    def open_for_operator(self) -> Iterator[PostgresStore]:
        with self._database.transaction(operator=True) as tx:
            yield self.within(tx)
