"""Dead letters that were dealt with leave with their month; what waits has no term (ADR 36)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ingestion_service.store.purging import WAYS
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.retention.classes import read_classes
from rapport_runtime.retention.purge import Purge

pytestmark = pytest.mark.integration
THEN, NOW = datetime(2020, 1, 5, tzinfo=UTC), datetime.now(UTC)
_SHARED = """
    consumer_group, topic, partition, record_offset, header_names, sealed_headers,
    record_timestamp, reason, detail, state, received_at
"""
_WAITS = f"""
    INSERT INTO dead_letter ({_SHARED})
    VALUES ('g', 't', 0, %s, '{{}}', '{{}}', 0, 'r', 'd', %s, %s)
"""  # noqa: S608 - a constant of this file
_DECIDED = f"""
    INSERT INTO decided_letter (id, decided_at, {_SHARED})
    VALUES (%s, %s, 'g', 't', 0, 0, '{{}}', '{{}}', 0, 'r', 'd', %s, %s)
"""  # noqa: S608 - as above
_MONTHS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'partitions'::regnamespace AND relkind = 'r'
      AND relname LIKE 'decided_letter_%'
"""
_OF_2020 = """
    SELECT make_partition('decided_letter', 'decided_letter_2020_01',
        'FOR VALUES FROM (''2020-01-01'') TO (''2020-02-01'')')
"""


class World:
    """Ingestion's database, with the purge's role."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.urls = urls
        self.purger = Database(urls.purge_url, application_name="purge")

    def run(self, url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            done = connection.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def as_worker(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.run(self.urls.worker_url, statement, *values)

    def letters(self) -> list[tuple[Any, ...]]:
        return sorted(self.as_worker("SELECT id, state FROM every_letter"))

    def purge(self) -> int:
        """How many letters went."""
        purge = Purge(self.purger, read_classes("ingestion_service"), WAYS)
        reports = {report.name: report for report in purge.confirm("ann", "a test")}
        assert reports["dead-letters"].failed is None
        return reports["dead-letters"].rows


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[World]:
    made = World(service_database("ingestion"))
    yield made
    made.purger.close()


def test_one_that_was_dealt_with_goes_with_its_month_and_one_that_waits_as_long_stays(
    world: World,
) -> None:
    world.run(world.urls.owner_url, _OF_2020)
    for number, state in enumerate(("held", "queued")):
        world.as_worker(_WAITS, number, state, THEN)
    for number, state in ((101, "replayed"), (102, "dropped")):
        world.as_worker(_DECIDED, number, THEN, state, THEN)
    world.as_worker(_DECIDED, 103, NOW, "dropped", THEN)
    world.purge()
    assert world.letters() == [(1, "held"), (2, "queued"), (103, "dropped")]
    months = {name for (name,) in world.run(world.urls.owner_url, _MONTHS)}
    assert "decided_letter_2020_01" not in months
    assert f"decided_letter_{NOW:%Y_%m}" in months


def test_what_no_month_took_goes_row_by_row(world: World) -> None:
    world.as_worker(_DECIDED, 101, datetime(1999, 1, 5, tzinfo=UTC), "replayed", THEN)
    world.as_worker(_DECIDED, 102, NOW, "replayed", THEN)
    assert world.purge() == 1
    assert world.letters() == [(102, "replayed")]


def test_the_purge_does_not_reach_what_waits(world: World) -> None:
    world.as_worker(_WAITS, 1, "held", THEN)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run(world.urls.purge_url, "DELETE FROM dead_letter")
    assert world.letters() == [(1, "held")]


@pytest.mark.parametrize("table", ["dead_letter", "decided_letter"])
@pytest.mark.parametrize("role", ["worker", "api"])
def test_nobody_else_deletes_a_letter_it_only_moves(world: World, table: str, role: str) -> None:
    """Also where grant and policy let it be taken out of its table: a trigger looks where it is."""
    world.as_worker(_WAITS, 1, "held", NOW)
    world.as_worker(_DECIDED, 101, NOW, "dropped", NOW)
    url = {"worker": world.urls.worker_url, "api": world.urls.api_url}[role]
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('rapport.operator', 'on', true)")
        with pytest.raises(psycopg.errors.RestrictViolation, match="it is not deleted"):
            connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - of this test
    assert world.letters() == [(1, "held"), (101, "dropped")]
