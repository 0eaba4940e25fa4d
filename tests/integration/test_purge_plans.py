"""An index finds what a purge removes: a page of a table of millions costs a page (ADR 29)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from outreach_service.store import purging as outreach
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.retention.ways import OldRows, Way
from scoring_service.store import purging as scoring

pytestmark = pytest.mark.integration
VALUES = {
    "before": datetime(2026, 3, 2, tzinfo=UTC),
    "rows": 100,
    "places": 100,
    "practice_id": "willow",
    "bucket": 3,
    "up_to": 7,
}


def statements(ways: dict[str, Way]) -> Iterator[str]:
    for way in ways.values():
        if isinstance(way, OldRows):
            yield from (way._delete, way._count, way._oldest)


SCORING = [scoring._OLD, scoring._REMOVE, scoring._FIRSTS, *statements(dict(scoring.WAYS))]
OUTREACH = list(statements(dict(outreach.WAYS)))


@pytest.mark.parametrize(
    ("service", "found", "count"), [("scoring", SCORING, 3), ("outreach", OUTREACH, 6)]
)
def test_no_statement_reads_a_whole_table(
    service: str,
    found: list[str],
    count: int,
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    """Of empty tables Postgres would rather read the whole. Where that is forbidden, it stands in a
    plan only if no index serves."""
    assert len(found) == count
    with psycopg.connect(
        service_database(service).purge_url, cursor_factory=psycopg.ClientCursor
    ) as purge:
        purge.execute("SET enable_seqscan = off")
        for statement in found:
            plan = purge.execute(f"EXPLAIN {statement}".encode(), VALUES).fetchall()
            assert not [line for (line,) in plan if "Seq Scan" in line], statement


def test_a_statement_that_no_index_serves_is_found(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    with psycopg.connect(service_database("scoring").purge_url) as purge:
        purge.execute("SET enable_seqscan = off")
        plan = purge.execute("EXPLAIN SELECT 1 FROM feed WHERE published_at < now()").fetchall()
    assert [line for (line,) in plan if "Seq Scan" in line]
