"""Only the purge's role removes rows that nobody else may remove, and only those (ADR 29)."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres

pytestmark = pytest.mark.integration

ROW = {
    "audit": (
        "INSERT INTO audit (who, action, kind, subject, why)"
        " VALUES ('ann', 'pause', 'topic', 'things', 'a test')"
    ),
    "feed": "INSERT INTO feed (practice_id, bucket, position, event) VALUES ('willow', 0, 1, 'x')",
    "tier_change": (
        "INSERT INTO tier_change (practice_id, client_id, scheme, version, rulebook_version,"
        " is_primary, to_tier, direction, reason, origin, effective_at, on_day)"
        " VALUES ('willow', 'c1', 'rfm', 1, 1, true, 'gold', 'entered', 'activity', 'live',"
        " '2026-03-02T12:00:00Z', '2026-03-02')"
    ),
}
ROLES = ("worker", "api", "owner", "superuser")


@dataclass(frozen=True)
class Doors:
    """A service's database with a row in each table, and a way in for each role."""

    urls: dict[str, str]

    def run(self, role: str, statement: str, table: str) -> int:
        """The number of rows of `table` that the statement changed; it is rolled back."""
        with psycopg.connect(self.urls[role]) as connection:
            connection.execute("SELECT set_config('rapport.practice_id', 'willow', true)")
            connection.execute("SELECT set_config('rapport.operator', 'on', true)")
            composed = sql.SQL(statement).format(sql.Identifier(table))
            changed = connection.execute(composed).rowcount
            connection.rollback()
            return changed


@pytest.fixture
def scoring(postgres: Postgres, service_database: Callable[[str], ServiceDatabase]) -> Doors:
    database = service_database("scoring")
    with psycopg.connect(database.worker_url) as worker:
        for statement in ROW.values():
            worker.execute(statement.encode())
    return Doors(
        {
            "worker": database.worker_url,
            "api": database.api_url,
            "owner": database.owner_url,
            "superuser": postgres.url(database.name),
            "purge": database.purge_url,
        }
    )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", ["audit", "feed"])
def test_no_other_role_removes_a_row(scoring: Doors, table: str, role: str) -> None:
    """A grant, a policy or the trigger is in the way. What no policy shows, a DELETE passes over:
    then the row is still there."""
    try:
        assert scoring.run(role, "DELETE FROM {}", table) == 0
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation):
        return
    assert role == "owner"


@pytest.mark.parametrize("table", ["audit", "feed"])
def test_the_trigger_alone_refuses_whoever_passes_the_policies(scoring: Doors, table: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        scoring.run("superuser", "DELETE FROM {}", table)


@pytest.mark.parametrize(
    ("table", "change"),
    [("audit", "UPDATE {} SET who = 'bob'"), ("feed", "UPDATE {} SET event = NULL")],
)
def test_the_purge_removes_a_row_and_does_nothing_else(
    scoring: Doors, table: str, change: str
) -> None:
    assert scoring.run("purge", "DELETE FROM {}", table) == 1
    for statement in ("TRUNCATE {}", "DROP TABLE {}", "SELECT * FROM {}", change):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scoring.run("purge", statement, table)


@pytest.mark.parametrize("role", [*ROLES, "purge"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET score = 1"])
def test_what_has_no_term_is_removed_by_nobody(scoring: Doors, role: str, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
        scoring.run(role, statement, "tier_change")


@pytest.mark.parametrize("role", [*ROLES, "purge"])
@pytest.mark.parametrize("table", sorted(ROW))
def test_no_role_empties_a_table_at_once(scoring: Doors, table: str, role: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
        scoring.run(role, "TRUNCATE {}", table)


def test_the_purge_reads_no_value_of_a_client(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    """By the catalogue, so that what a later migration opens is seen here."""
    readable = {}
    for service in ("ingestion", "scoring", "outreach"):
        with psycopg.connect(service_database(service).purge_url) as connection:
            readable[service] = {
                f"{table}.{column}" for table, column in connection.execute(_READABLE).fetchall()
            }
    own = {f"purge_run.{name}" for name in ("class", "finished_at", "rows", "oldest_left_at")}
    own |= {"purge_run.seconds", "audit.id", "audit.at"}
    own |= {"decided_letter.id", "decided_letter.decided_at"}
    assert {service: found - own for service, found in readable.items()} == {
        "ingestion": {f"source_day.{name}" for name in ("practice_id", "source", "day", "bucket")},
        "scoring": {"feed.practice_id", "feed.bucket", "feed.position", "feed.published_at"},
        "outreach": {
            *(f"message.{name}" for name in ("practice_id", "message_id", "state")),
            *("message.play_body", "message.retry_until", "message.changed_at"),
            *(f"attempt.{name}" for name in ("practice_id", "message_id", "number", "started_at")),
            *(f"booking.{name}" for name in ("practice_id", "client_id", "activity_id")),
            "booking.starts_at",
            *(f"personal_read.{name}" for name in ("practice_id", "client_id", "day")),
            *("personal_read.key_id", "personal_read.what"),
        },
    }


def test_the_purge_owns_nothing_and_may_pass_no_policy(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    with psycopg.connect(service_database("scoring").purge_url) as connection:
        rights = connection.execute(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
        ).fetchone()
    assert (rights, owned) == ((False,), (0,))


_READABLE = sql.SQL("""
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT a.attisdropped AND a.attnum > 0
      AND c.relnamespace = 'public'::regnamespace
      AND has_column_privilege(c.oid, a.attnum, 'SELECT')
""")
