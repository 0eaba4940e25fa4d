"""A transaction that stays open is seen by the API's role, whoever opened it."""

from collections.abc import Iterator

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.ops.oldest_transaction import OldestTransaction

pytestmark = pytest.mark.integration


@pytest.fixture
def api(migrated: ServiceDatabase) -> Iterator[Database]:
    opened = Database(migrated.api_url, application_name="api")
    yield opened
    opened.close()


def look(api: Database, oldest: OldestTransaction) -> float:
    with api.transaction() as tx:
        return oldest.seconds(tx)


def change_something(migrated: ServiceDatabase) -> None:
    with psycopg.connect(migrated.owner_url) as other:
        other.execute("SELECT pg_current_xact_id()")


def next_transaction(migrated: ServiceDatabase) -> str:
    """The number of the transaction that is begun next, by whomever."""
    with psycopg.connect(migrated.owner_url) as other:
        row = other.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    "opens",
    [
        pytest.param("DECLARE report CURSOR FOR SELECT 1", id="a reader"),
        pytest.param("SELECT pg_current_xact_id()", id="a writer that is idle"),
    ],
)
def test_an_open_transaction_grows_old_until_it_ends(
    api: Database, migrated: ServiceDatabase, opens: str
) -> None:
    oldest = OldestTransaction()
    change_something(migrated)
    assert look(api, oldest) == 0
    with psycopg.connect(migrated.owner_url) as report:
        report.execute(opens)
        change_something(migrated)
        ages = []
        for _ in range(3):
            ages.append(look(api, oldest))
            change_something(migrated)
        assert ages[0] == 0
        assert ages == sorted(set(ages))
        assert look(api, OldestTransaction()) == 0
    assert look(api, oldest) == 0


def test_one_after_which_nobody_began_keeps_nothing(
    api: Database, migrated: ServiceDatabase
) -> None:
    """Other tests use the same server, whose databases share the numbers of transactions: looks
    count when nobody began one meanwhile."""

    def ages_while_nobody_begins() -> list[float] | None:
        oldest = OldestTransaction()
        with psycopg.connect(migrated.owner_url) as report:
            report.execute("DECLARE report CURSOR FOR SELECT 1")
            first = next_transaction(migrated)
            ages = [look(api, oldest) for _ in range(3)]
            return ages if next_transaction(migrated) == first else None

    looked = (ages_while_nobody_begins() for _ in range(200))
    assert next(ages for ages in looked if ages is not None) == [0, 0, 0]
