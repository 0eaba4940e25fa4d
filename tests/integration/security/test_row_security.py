"""No statement of the API's role shows or changes a row of another practice (S3).

The tables come from the database's catalogue, so that new ones are covered.
"""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.support.access_matrix.world import PRACTICE, STRANGER, ApiWorld

pytestmark = pytest.mark.integration
OPEN = {"api_key"}
"""Keys are read before anybody's practice is known; their secrets are kept as hashes."""
OF_NOBODY = {
    *("consumer_position", "outbox_watermark", "outbox_drained", "worker", "alembic_version"),
    *("permit", "rulebook", "clock", "incarnation", "fence"),
    *("first_watermark", "partition_zone"),  # of a partition, its time and its zones
    "purge_run",  # how many rows of each class went, and when
    *("pause", "audit"),  # read by operators' routes alone; their reasons are to name no client
}
"""Tables without a practice that the API may read whole: none of them tells of a client."""
_WITHOUT_PRACTICE = """
    SELECT relname FROM pg_class c
    WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace
      AND has_table_privilege(%s, oid, 'SELECT')
      AND NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attname = 'practice_id')
"""
_WITH_PRACTICE = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'practice_id'
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND NOT a.attisdropped ORDER BY c.relname
"""


def tables(world: ApiWorld) -> list[tuple[str, bool, bool]]:
    with psycopg.connect(world.urls.owner_url) as owner:
        return owner.execute(_WITH_PRACTICE).fetchall()


@pytest.fixture
def api(world: ApiWorld) -> Iterator[psycopg.Connection]:
    """Raw SQL as the API's role; what it did is rolled back."""
    with psycopg.connect(world.urls.api_url) as connection:
        yield connection
        connection.rollback()


def as_practice(connection: psycopg.Connection, practice: str) -> None:
    connection.execute("SELECT set_config('rapport.practice_id', %s, true)", [practice])


def count(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
    row = found.fetchone()
    assert row is not None
    return int(row[0])


def test_every_table_with_a_practice_is_guarded_even_from_its_owner(world: ApiWorld) -> None:
    found = tables(world)
    assert len(found) > 3
    assert {name for name, enabled, forced in found if not (enabled and forced)} == OPEN


def test_the_apis_role_has_no_way_around(api: psycopg.Connection) -> None:
    rights = api.execute(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles"
        " WHERE rolname = current_user"
    ).fetchone()
    assert rights == (False,)
    owned = api.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
    assert owned.fetchone() == (0,)


def test_a_wrong_practice_sees_no_row_of_any_table(
    world: ApiWorld, api: psycopg.Connection
) -> None:
    seen_by_owner_of_rows = 0
    for name, _, _ in tables(world):
        if name in OPEN or not _may(api, name, "SELECT"):
            continue
        for practice in ("nobody", "", "harbour' OR '1'='1", "%", "HARBOUR"):
            as_practice(api, practice)
            assert count(api, name) == 0, (name, practice)
        as_practice(api, PRACTICE)
        seen_by_owner_of_rows += count(api, name)
    assert seen_by_owner_of_rows > 0


def test_a_wrong_practice_changes_no_row_of_any_table(
    world: ApiWorld, api: psycopg.Connection
) -> None:
    tried = 0
    for name, _, _ in tables(world):
        table = sql.Identifier(name)
        statements = {
            "UPDATE": sql.SQL("UPDATE {} SET practice_id = practice_id").format(table),
            "DELETE": sql.SQL("DELETE FROM {}").format(table),
        }
        for right, statement in statements.items():
            if name not in OPEN and _may(api, name, right):
                as_practice(api, STRANGER + "-not")
                assert api.execute(statement).rowcount == 0, (right, name)
                tried += 1
    assert tried > 0


def test_what_is_published_is_not_for_the_apis_eyes(api: psycopg.Connection) -> None:
    """The outbox holds events of all practices, and no practice by which to guard them."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("SELECT value FROM outbox")


def test_of_other_tables_the_api_reads_only_what_tells_of_nobody(
    world: ApiWorld, api: psycopg.Connection
) -> None:
    """A new table needs a practice and a policy, or a place in the list above."""
    found = api.execute(_WITHOUT_PRACTICE, [api.info.user])
    assert {name for (name,) in found} <= OF_NOBODY


def _may(api: psycopg.Connection, table: str, right: str) -> bool:
    found = api.execute("SELECT has_table_privilege(%s, %s)", [table, right]).fetchone()
    return found == (True,)
