"""What the runtime's integration tests share: a database with its tables, empty for each test."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from rapport_runtime.schema import tables_v1, tables_v2
from tests.support.worlds.toy_ledger import TOPIC, Ledger, create_tables, metadata, worker_database

EMPTIED = (
    "consumer_position, outbox, outbox_watermark, outbox_drained, published_events,"
    " dead_letter, decided_letter,"
    " worker, pause, audit, purge_run"
)


@pytest.fixture(scope="package")
def runtime_database(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """A database with the runtime tables and the toy's."""
    prefix = f"t{secrets.token_hex(5)}_"
    database = create_database(postgres.url(), "ledger", prefix=prefix)
    create_tables(database)
    yield database
    drop_database(postgres.url(), "ledger", prefix=prefix)


@pytest.fixture
def database(runtime_database: ServiceDatabase) -> Iterator[Database]:
    """Empty tables, with the worker's role."""
    owner = Database(runtime_database.owner_url, application_name="owner")
    with owner.transaction() as tx:
        tables = metadata().sorted_tables
        names = ", ".join(table.name for table in tables if table.name != "incarnation")
        tx.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
    owner.close()
    opened = worker_database(runtime_database)
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """The toy service."""
    return Ledger(database)


@pytest.fixture
def bus() -> MemoryBus:
    """A bus in memory with a topic of two partitions."""
    made = MemoryBus()
    made.create(TOPIC, 2)
    return made


@dataclass
class Migration:
    """The part of `alembic.op` that the runtime tables need."""

    tx: sa.Connection

    def execute(self, sqltext: str, /) -> None:
        self.tx.execute(sa.text(sqltext))


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """A database as a service's migrations leave it."""
    prefix = f"t{secrets.token_hex(5)}_"
    database = create_database(postgres.url(), "letters", prefix=prefix)
    owner = Database(database.owner_url, application_name="owner")
    with owner.transaction() as tx:
        tables_v1.create(Migration(tx))
        tables_v2.create(Migration(tx))
    yield database
    with owner.transaction() as tx:
        tables_v2.drop(Migration(tx))
        tables_v1.drop(Migration(tx))
    owner.close()
    drop_database(postgres.url(), "letters", prefix=prefix)


@pytest.fixture
def worker(postgres: Postgres, migrated: ServiceDatabase) -> Iterator[Database]:
    """That database with the worker's role; empty again afterwards."""
    opened = worker_database(migrated)
    yield opened
    opened.close()
    superuser = Database(postgres.url(migrated.name), application_name="emptying")
    with superuser.transaction() as tx:
        # Without it the triggers of the audit, and of its partitions, would refuse.
        tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        tx.exec_driver_sql(f"TRUNCATE {EMPTIED} RESTART IDENTITY")
    superuser.close()
