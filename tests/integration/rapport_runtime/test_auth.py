"""API keys and row-level security on a real Postgres, as each role really is."""

import importlib
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.schema import MetaData

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, DatabaseLimits, driver
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.fast.remembered_keys import REMEMBERED_SECONDS, RememberedKeys
from rapport_runtime.migrations import differences, downgrade, upgrade
from rapport_runtime.ops import keys
from rapport_runtime.schema.metadata import runtime_tables

pytestmark = pytest.mark.integration

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
                text(f"insert into {table} values ('n', 'north'), ('s', 'south')")  # noqa: S608
            )
        assert connection.scalar(text("select count(*) from note")) == 2
    return open_database(toy.api_url)


def seen(database: Database, table: str, **scope: object) -> list[str]:
    with database.transaction(**scope) as connection:
        return list(connection.scalars(text(f"select id from {table} order by id")))  # noqa: S608


def test_migrations_go_up_again_and_down(toy: ServiceDatabase, package: str) -> None:
    upgrade(toy.owner_url, package)
    metadata = MetaData()
    runtime_tables(metadata)
    tables = {step[1].name for step in differences(toy.owner_url, metadata)}
    assert tables == {"note", "practice"}
    downgrade(toy.owner_url, package)
    with psycopg.connect(toy.owner_url) as owner:
        left = owner.execute("select tablename from pg_tables where schemaname = 'public'")
        assert left.fetchall() == [("alembic_version",)]


def test_a_service_without_migrations_is_an_error(toy: ServiceDatabase) -> None:
    with pytest.raises(FileNotFoundError, match="rapport_runtime"):
        upgrade(toy.owner_url, "rapport_runtime")


def test_the_api_sees_the_practice_that_its_transaction_named(api: Database) -> None:
    assert seen(api, "note", practice_id="north") == ["n"]
    assert seen(api, "note", practice_id="south") == ["s"]
    assert seen(api, "note", practice_id="east") == []


def test_nothing_is_seen_without_a_name_not_even_on_a_used_connection(
    toy: ServiceDatabase, api: Database, open_database: Callable[..., Database]
) -> None:
    assert seen(api, "note") == []
    narrow = open_database(toy.api_url, DatabaseLimits(pool_size=1, max_overflow=0))
    assert seen(narrow, "note", practice_id="north") == ["n"]
    assert seen(narrow, "practice", operator=True) == ["n", "s"]
    assert seen(narrow, "note") == []
    assert seen(narrow, "practice") == []


def test_operators_see_only_what_is_opened_to_them(api: Database) -> None:
    assert seen(api, "practice", operator=True) == ["n", "s"]
    assert seen(api, "note", operator=True) == []
    assert seen(api, "practice", practice_id="north") == ["n"]


def test_the_api_cannot_write_for_another_practice_or_beyond_its_grants(api: Database) -> None:
    with api.transaction("north") as connection:
        connection.execute(text("insert into note values ('n2', 'north')"))
    assert seen(api, "note", practice_id="north") == ["n", "n2"]
    for statement in (
        "insert into note values ('s2', 'south')",
        "delete from note",
        "update practice set practice_id = 'north'",
        "delete from api_key",
        "insert into api_key values ('x', '', null, '{}')",
        "alter table note disable row level security",
    ):
        with (
            pytest.raises(ProgrammingError, match=r"row-level|permission|owner"),
            api.transaction("north") as connection,
        ):
            connection.execute(text(statement))


def test_force_holds_the_owner(toy: ServiceDatabase, api: Database) -> None:
    assert seen(api, "note", practice_id="north") == ["n"]
    with psycopg.connect(toy.owner_url) as owner:
        assert owner.execute("select count(*) from note").fetchone() == (0,)


def _fail_halfway(api: Database) -> None:
    with api.transaction("north") as connection:
        connection.execute(text("insert into note values ('n3', 'north')"))
        raise LookupError


def test_a_failed_transaction_leaves_nothing(api: Database) -> None:
    with pytest.raises(LookupError):
        _fail_halfway(api)
    assert seen(api, "note", practice_id="north") == ["n"]


def test_the_driver_shares_the_transaction_and_limits_hold(
    toy: ServiceDatabase, open_database: Callable[..., Database]
) -> None:
    worker = open_database(toy.worker_url, DatabaseLimits(statement_ms=50))
    with worker.transaction() as connection:
        raw = driver(connection)
        raw.execute("insert into note select * from unnest(%b::text[], %b::text[])", [["c"], ["n"]])
        assert connection.scalar(text("select count(*) from note")) == 1
        assert raw.execute("show timezone").fetchone() == ("UTC",)
        assert raw.execute("show idle_in_transaction_session_timeout").fetchone() == ("10s",)
    with pytest.raises(DBAPIError, match="statement timeout"), worker.transaction() as connection:
        connection.execute(text("select pg_sleep(5)"))
    assert worker.ping() is None


def test_only_postgres_addresses_are_taken() -> None:
    with pytest.raises(ValueError, match="not a Postgres address: sqlite"):
        Database("sqlite://", application_name="test")


class _Clock:
    """A monotonic clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """The seconds so far."""
        return self.now


def _cli(toy: ServiceDatabase, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert keys.cli(lambda: toy.owner_url, argv) == 0
    return capsys.readouterr().out


def test_a_key_holds_until_it_is_revoked(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "b:read, a:read").strip()
    clock = _Clock()
    verifier = RememberedKeys(keys.ApiKeys(api), clock)
    key_id = raw.split("_")[1]
    expected = Principal(key_id, "north", frozenset({"a:read", "b:read"}))
    assert verifier.verify(raw) == expected
    assert f"revoked {key_id}" in _cli(toy, capsys, "revoke", key_id)
    assert verifier.recall(raw) == expected  # remembered
    clock.now = REMEMBERED_SECONDS
    assert verifier.verify(raw) is None
    assert keys.cli(lambda: toy.owner_url, ["revoke", key_id]) == 2


def test_wrong_keys_do_not_hold(
    toy: ServiceDatabase, api: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--operator", "--scopes", "status:read").strip()
    verifier = keys.ApiKeys(api)
    holder = verifier.verify(raw)
    assert holder is not None
    assert holder.practice_id is None
    prefix, key_id, secret = raw.split("_", 2)
    other_secret = ("A" if secret[0] != "A" else "B") + secret[1:]
    assert verifier.verify(f"{prefix}_{key_id}_{other_secret}") is None
    assert verifier.verify(f"{prefix}_{'0' * 16}_{secret}") is None
    assert verifier.verify(f"{prefix}_{'0' * 16}_{'A' * 43}") is None
    assert verifier.verify("") is None


def test_an_expired_key_does_not_hold(
    toy: ServiceDatabase, api: Database, open_database: Callable[[str], Database]
) -> None:
    owner = open_database(toy.owner_url)
    made = {}
    with owner.transaction() as connection:
        for days in (-1, 1):
            made[days] = keys.create_key(
                connection,
                practice_id="north",
                scopes=["a:read"],
                valid_for=timedelta(days=days),
            )
    verifier = keys.ApiKeys(api)
    assert verifier.verify(made[-1]) is None
    assert verifier.verify(made[1]) is not None


def test_the_list_shows_no_secret_and_the_table_holds_none(
    toy: ServiceDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = _cli(toy, capsys, "create", "--practice", "north", "--scopes", "a:read", "--days", "9")
    secret = raw.strip().split("_", 2)[2]
    listed = _cli(toy, capsys, "list")
    assert listed.split("\t")[:3] == [raw.split("_")[1], "north", "a:read"]
    assert "expires" in listed
    assert secret not in listed
    with psycopg.connect(toy.owner_url) as owner:
        stored = owner.execute("select api_key::text from api_key").fetchall()
    assert secret not in str(stored)
    assert secret.encode().hex() not in str(stored)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["create", "--practice", "No Slug", "--scopes", "a:read"], "slug"),
        (["create", "--operator", "--scopes", "everything"], "scopes are words"),
        (["revoke", "nothing"], "no key nothing"),
    ],
)
def test_the_command_says_what_is_wrong(
    toy: ServiceDatabase, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert keys.cli(lambda: toy.owner_url, argv) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
