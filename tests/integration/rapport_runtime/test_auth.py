"""Row-level security on a real Postgres, as each role really is."""

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.schema import MetaData

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, DatabaseLimits, driver
from rapport_runtime.migrations import differences, downgrade, upgrade
from rapport_runtime.schema.metadata import runtime_tables

pytestmark = pytest.mark.integration


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
