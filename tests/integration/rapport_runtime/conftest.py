"""What the chassis's integration tests share: a database with its tables, emptied for each test."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from rapport_runtime.tables import (
    CHASSIS,
    create_chassis_tables,
    create_control_tables,
    drop_chassis_tables,
    drop_control_tables,
)
from tests.support.worlds.toy_ledger import TOPIC, Ledger, create_tables, metadata, worker_database


@pytest.fixture(scope="package")
def chassis_database(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """A database with the chassis's tables and the toy's."""
    prefix = f"t{secrets.token_hex(5)}_"
    database = create_database(postgres.url(), "ledger", prefix=prefix)
    create_tables(database)
    yield database
    drop_database(postgres.url(), "ledger", prefix=prefix)


@pytest.fixture
def database(chassis_database: ServiceDatabase) -> Iterator[Database]:
    """The worker's door to empty tables."""
    owner = Database(chassis_database.owner_url, application_name="owner")
    with owner.transaction() as tx:
        names = ", ".join(table.name for table in metadata().sorted_tables)
        tx.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
    owner.close()
    door = worker_database(chassis_database)
    yield door
    door.close()


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
    """What a service's migrations hand over."""

    tx: sa.Connection

    def execute(self, sqltext: str, /) -> None:
        self.tx.exec_driver_sql(sqltext)

    def get_bind(self) -> sa.Connection:
        return self.tx


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Iterator[ServiceDatabase]:
    """A database as a service's migrations leave it."""
    database = create_database(postgres.url(), "letters", prefix="t_")
    owner = Database(database.owner_url, application_name="owner")
    with owner.transaction() as tx:
        create_chassis_tables(Migration(tx))
        create_control_tables(Migration(tx))
    yield database
    with owner.transaction() as tx:
        drop_control_tables(Migration(tx))
        drop_chassis_tables(Migration(tx))
    owner.close()
    drop_database(postgres.url(), "letters", prefix="t_")


@pytest.fixture
def worker(migrated: ServiceDatabase) -> Iterator[Database]:
    """The worker's door to it; empty again afterwards."""
    door = worker_database(migrated)
    yield door
    door.close()
    owner = Database(migrated.owner_url, application_name="owner")
    with owner.transaction() as tx:
        tx.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER append_only")
        tx.exec_driver_sql(f"TRUNCATE {', '.join((*CHASSIS, 'pause', 'audit'))} RESTART IDENTITY")
        tx.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER append_only")
    owner.close()
