"""What the runtime's integration tests share: a database with its tables, empty for each test."""

import importlib
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.migrations import upgrade
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


MIGRATION = '''
"""The toy's tables."""
import sqlalchemy as sa
from alembic import op
from rapport_runtime.row_security import row_level_security
from rapport_runtime.schema import tables_v1, tables_v2

revision, down_revision = "0001", None

def upgrade():
    tables_v1.create(op)
    tables_v2.create(op)
    for table in ("note", "practice"):
        op.create_table(
            table, sa.Column("id", sa.Text, primary_key=True), sa.Column("practice_id", sa.Text)
        )
    row_level_security(op, "note", api_may=["SELECT", "INSERT"])
    row_level_security(op, "practice", operator_sees=True)

def downgrade():
    for table in ("practice", "note"):
        op.drop_table(table)
    tables_v2.drop(op)
    tables_v1.drop(op)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service's package with one migration, in a folder whose name holds a percent sign."""
    versions = tmp_path / "100%" / "toy_service" / "store" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_first.py").write_text(MIGRATION)
    (versions.parents[2] / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(versions.parents[3])
    importlib.invalidate_caches()
    yield "toy_service"
    sys.modules.pop("toy_service", None)


@pytest.fixture
def toy(empty_database: Callable[[str], ServiceDatabase], package: str) -> ServiceDatabase:
    made = empty_database("toy")
    upgrade(made.owner_url, package)
    return made


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def make(url: str, limits: DatabaseLimits | None = None) -> Database:
        opened.append(Database(url, application_name="test", limits=limits))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def api(toy: ServiceDatabase, open_database: Callable[[str], Database]) -> Database:
    """The database with the API's role; a worker has written two notes and two practices."""
    worker = open_database(toy.worker_url)
    with worker.transaction() as connection:
        for table in ("note", "practice"):
            connection.execute(
                sa.text(f"insert into {table} values ('n', 'north'), ('s', 'south')")  # noqa: S608
            )
        assert connection.scalar(sa.text("select count(*) from note")) == 2
    return open_database(toy.api_url)
