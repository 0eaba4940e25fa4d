"""Transactions for the API: opened for one practice or for an operator, with ingestion's time."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import PracticeId
from ingestion_service.ports import Clock, Session
from ingestion_service.store.clock import PostgresClock, hold_simulated_time, real_time
from ingestion_service.store.intake import PostgresIntake
from rapport_runtime.database import Database


def session_in(tx: sa.Connection, *, is_simulated: bool) -> Session:
    """Intake in a transaction that somebody else opened. Raises `NotYet` before a simulated clock
    is first set."""
    now = hold_simulated_time(tx) if is_simulated else real_time(tx)
    if now is None:
        raise NotYet("clock-not-set", "the simulated clock has not been set yet")
    return Session(PostgresIntake(tx), now)


class PostgresSessions:
    """`ports.Sessions`: real time is the database's, simulated time the operator's."""

    def __init__(self, database: Database, *, is_simulated: bool) -> None:
        self._database = database
        self._is_simulated = is_simulated

    @contextmanager
    def intake(self, practice_id: PracticeId) -> Iterator[Session]:
        with self._database.transaction(practice_id) as tx:
            yield session_in(tx, is_simulated=self._is_simulated)

    @contextmanager
    def practices(self) -> Iterator[Session]:
        with self._database.transaction(operator=True) as tx:
            yield Session(PostgresIntake(tx), real_time(tx))

    @contextmanager
    def clock(self) -> Iterator[Clock]:
        with self._database.transaction(operator=True) as tx:
            yield PostgresClock(tx)
