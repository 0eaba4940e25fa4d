"""What the chassis's integration tests share: a database with its tables, emptied for each test."""

import secrets
from collections.abc import Iterator

import pytest

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from tests.support.ledger import TOPIC, Ledger, create_tables, metadata, worker_database


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
