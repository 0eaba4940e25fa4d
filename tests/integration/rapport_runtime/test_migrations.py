"""Migrations of a database in use: nobody waits long behind one, and what it began it finishes."""

import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime import migrations
from rapport_runtime.errors import MigrationBlocked
from rapport_runtime.migrations import Patience
from tests.support.servers.buses import eventually

PACKAGE = "eager_service"
SHORT = Patience(lock_ms=400, attempts=3, pause_seconds=0.01)
FOR_EVER = Patience(lock_ms=200, attempts=10_000, pause_seconds=0.01)

FIRST = """
    op.execute("CREATE TABLE note (id text PRIMARY KEY, practice_id text)")
    op.execute("CREATE TABLE other (id text PRIMARY KEY)")
"""
SECOND = '    op.execute("ALTER TABLE other ADD COLUMN more text")\n'
THIRD = '    op.execute("ALTER TABLE note ADD COLUMN more text")\n'
INDEX = '    create_index(op, "note_by_practice", "note", ["practice_id"])\n'
REVISION = '''
"""{what}."""
from alembic import op
from rapport_runtime.migrations.concurrent_indexes import create_index, drop_index

revision = "{name}"
down_revision = {before}
branch_labels = None
depends_on = None

def upgrade():
{body}

def downgrade():
    pass
'''

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the revisions of a service's package, numbered from 0001."""
    versions = tmp_path / PACKAGE / "store" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parents[2] / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    def revisions(*bodies: str) -> None:
        for number, body in enumerate(bodies, 1):
            before = repr(f"{number - 1:04}") if number > 1 else None
            text = REVISION.format(
                what=f"step {number}", name=f"{number:04}", before=before, body=body
            )
            (versions / f"{number:04}_step.py").write_text(text.lstrip())

    yield revisions
    sys.modules.pop(PACKAGE, None)


@pytest.fixture
def database(empty_database: Callable[[str], ServiceDatabase], write: Write) -> ServiceDatabase:
    """A database in use: the first revision has been there for long."""
    write(FIRST, SECOND)
    made = empty_database("eager")
    migrations.upgrade(made.owner_url, PACKAGE, "0001")
    # The function that makes months comes with the runtime's tables, which are not the matter here.
    return made


@pytest.fixture(autouse=True)
def no_months(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_make_months", lambda _connection: None)


@pytest.fixture
def reader(database: ServiceDatabase) -> Iterator[psycopg.Connection]:
    """A report that has read `note` and has not ended its transaction."""
    with psycopg.connect(database.worker_url, application_name="a report") as connection:
        connection.execute("SELECT count(*) FROM note")
        yield connection


def revision_of(database: ServiceDatabase) -> str:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def columns(database: ServiceDatabase, table: str) -> set[str]:
    with psycopg.connect(database.owner_url) as owner:
        found = owner.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [table]
        )
        return {name for (name,) in found}


def waiting(database: ServiceDatabase, mode: str = "AccessExclusiveLock") -> bool:
    """Whether a session waits for such a lock on `note`."""
    with psycopg.connect(database.owner_url) as owner:
        found = owner.execute(
            "SELECT FROM pg_locks WHERE relation = 'note'::regclass AND NOT granted AND mode = %s",
            [mode],
        )
        return found.fetchone() is not None


def index_is_valid(database: ServiceDatabase) -> bool | None:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('note_by_practice')"
        ).fetchone()
    return None if row is None else bool(row[0])


class TestWaitingForALock:
    def test_it_gives_up_and_tells_the_revision_the_table_and_who_is_in_the_way(
        self, database: ServiceDatabase, reader: psycopg.Connection, write: Write
    ) -> None:
        write(FIRST, SECOND, THIRD)
        with pytest.raises(MigrationBlocked) as blocked:
            migrations.upgrade(database.owner_url, PACKAGE, patience=SHORT)
        told = str(blocked.value)
        assert "revision 0003 was not run: it waited 3 times 400 ms" in told
        assert "AccessExclusiveLock on note" in told
        assert f"pid {reader.info.backend_pid} (a report, role {database.name}_worker)" in told
        assert "idle in transaction, in its transaction for " in told

    def test_where_it_may_not_see_for_how_long_it_says_so(
        self,
        database: ServiceDatabase,
        reader: psycopg.Connection,
        write: Write,
        postgres: Postgres,
    ) -> None:
        write(FIRST, SECOND, THIRD)
        with psycopg.connect(postgres.url(), autocommit=True) as server:
            server.execute(f"REVOKE pg_read_all_stats FROM {database.name}_owner".encode())
        with pytest.raises(MigrationBlocked, match="may not see") as blocked:
            migrations.upgrade(database.owner_url, PACKAGE, patience=SHORT)
        assert f"pid {reader.info.backend_pid} (a report" in str(blocked.value)

    def test_what_came_before_stays_and_of_the_blocked_one_nothing_is_left(
        self, database: ServiceDatabase, reader: psycopg.Connection, write: Write
    ) -> None:
        half = '    op.execute("ALTER TABLE other ADD COLUMN half text")\n' + THIRD
        write(FIRST, SECOND, half)
        with pytest.raises(MigrationBlocked):
            migrations.upgrade(database.owner_url, PACKAGE, patience=SHORT)
        assert revision_of(database) == "0002"
        assert columns(database, "other") == {"id", "more"}
        reader.rollback()
        migrations.upgrade(database.owner_url, PACKAGE, patience=SHORT)
        assert revision_of(database) == "0003"
        assert columns(database, "note") == {"id", "practice_id", "more"}

    def test_a_reader_behind_it_goes_on_while_the_report_still_runs(
        self, database: ServiceDatabase, reader: psycopg.Connection, write: Write
    ) -> None:
        """And once the report ends, the same call finishes by itself."""
        write(FIRST, SECOND, THIRD)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(migrations.upgrade, database.owner_url, PACKAGE, patience=FOR_EVER)
            try:
                for _ in range(3):
                    assert eventually(lambda: waiting(database))
                    with psycopg.connect(database.worker_url) as behind:
                        behind.execute("SET statement_timeout = '60s'")
                        behind.execute("SELECT count(*) FROM note")
                assert not call.done()
            finally:
                reader.rollback()
            call.result(60)
        assert revision_of(database) == "0003"

    def test_two_calls_at_once_take_turns(self, database: ServiceDatabase, write: Write) -> None:
        """Also where one makes an index concurrently, which waits for whoever is in a statement."""
        write(FIRST, SECOND, INDEX, THIRD)
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(migrations.upgrade, database.owner_url, PACKAGE) for _ in range(2)]
            for call in calls:
                call.result(60)
        assert (revision_of(database), index_is_valid(database)) == ("0004", True)


class TestConcurrentIndexes:
    def test_a_writer_goes_on_while_the_index_waits_for_an_older_transaction(
        self, database: ServiceDatabase, write: Write
    ) -> None:
        write(FIRST, SECOND, INDEX)
        with psycopg.connect(database.worker_url) as older, ThreadPoolExecutor(1) as pool:
            older.execute("INSERT INTO note VALUES ('a', 'north')")
            call = pool.submit(migrations.upgrade, database.owner_url, PACKAGE)
            try:
                assert eventually(lambda: index_is_valid(database) is False)
                with psycopg.connect(database.worker_url) as writer:
                    writer.execute("SET statement_timeout = '60s'")
                    writer.execute("INSERT INTO note VALUES ('b', 'south')")
                assert not call.done()
            finally:
                older.rollback()
            call.result(60)
        assert index_is_valid(database) is True

    def test_one_that_broke_off_is_made_anew(self, database: ServiceDatabase, write: Write) -> None:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("INSERT INTO note VALUES ('a', 'north'), ('b', 'north')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                owner.execute(
                    "CREATE UNIQUE INDEX CONCURRENTLY note_by_practice ON note (practice_id)"
                )
        assert index_is_valid(database) is False
        write(FIRST, SECOND, INDEX)
        migrations.upgrade(database.owner_url, PACKAGE)
        assert index_is_valid(database) is True

    def test_one_that_is_there_stays_and_can_be_dropped(
        self, database: ServiceDatabase, write: Write
    ) -> None:
        drop = '    drop_index(op, "note_by_practice")\n'
        write(FIRST, SECOND, INDEX, INDEX)
        migrations.upgrade(database.owner_url, PACKAGE)
        assert index_is_valid(database) is True
        write(FIRST, SECOND, INDEX, INDEX, drop, drop)
        migrations.upgrade(database.owner_url, PACKAGE)
        assert index_is_valid(database) is None

    def test_after_it_a_lock_is_waited_for_as_shortly_as_before(
        self, database: ServiceDatabase, write: Write
    ) -> None:
        ask = """    op.execute("CREATE TABLE seen AS SELECT current_setting('lock_timeout')")\n"""
        write(FIRST, SECOND, INDEX, ask)
        migrations.upgrade(database.owner_url, PACKAGE, patience=SHORT)
        with psycopg.connect(database.owner_url) as owner:
            assert owner.execute("SELECT * FROM seen").fetchone() == ("400ms",)


class TestWhatItWouldDo:
    def test_it_lists_what_is_missing_in_order(
        self, database: ServiceDatabase, write: Write
    ) -> None:
        write(FIRST, SECOND, THIRD)
        found = migrations.pending(database.owner_url, PACKAGE)
        assert [tuple(each) for each in found] == [("0002", "step 2."), ("0003", "step 3.")]
        migrations.upgrade(database.owner_url, PACKAGE)
        assert migrations.pending(database.owner_url, PACKAGE) == []

    def test_it_writes_the_sql_and_runs_none(self, database: ServiceDatabase, write: Write) -> None:
        write(FIRST, SECOND, INDEX)
        written = migrations.statements(database.owner_url, PACKAGE)
        assert "ADD COLUMN more" in written
        assert "CREATE TABLE note" not in written
        assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS note_by_practice" in written
        assert revision_of(database) == "0001"

    def test_the_sql_does_the_same(self, database: ServiceDatabase, write: Write) -> None:
        write(FIRST, SECOND, INDEX, THIRD)
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            for statement in migrations.statements(database.owner_url, PACKAGE).split(";"):
                owner.execute(statement.encode())
        assert (revision_of(database), index_is_valid(database)) == ("0004", True)
        assert "more" in columns(database, "note")
