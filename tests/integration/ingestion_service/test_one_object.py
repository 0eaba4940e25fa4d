"""What a batch or a page reads does not grow with what came before it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.store import objects, postgres_store, reads
from ingestion_service.store.reads import PostgresReads
from rapport_runtime.database import Database, fetch
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion_world import LI_NA, WANG_FANG, fact

pytestmark = pytest.mark.integration
MANY = 1_500


class Counter:
    """Counts statements and the rows that they give."""

    def __init__(self) -> None:
        self.statements = 0
        self.rows = 0

    def fetch(self, *arguments: Any, **options: Any) -> list[Any]:
        rows = fetch(*arguments, **options)
        self.statements += 1
        self.rows += len(rows)
        return rows


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], tuple[int, int]]:
    """What a call asks of the database: statements, and rows in their answers."""

    def count(call: Callable[[], object]) -> tuple[int, int]:
        counter = Counter()
        for module in (objects, postgres_store, reads):
            monkeypatch.setattr(module, "fetch", counter.fetch)
        call()
        return counter.statements, counter.rows

    return count


def take(database: Database, facts: Sequence[SourceFact]) -> None:
    """Take them in, in batches of a few hundred."""
    for first in range(0, len(facts), 300):
        with database.transaction() as tx:
            store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
            results = accept(facts[first : first + 300], store)
        assert {result.status for result in results} == {"accepted"}


def refunds(first: int, count: int, **changes: Any) -> list[SourceFact]:
    return [
        fact("refunded", f"r{number}", amount_minor=1, **changes)
        for number in range(first, first + count)
    ]


def test_a_payment_with_very_many_refunds_costs_a_batch_as_much_as_a_new_one(
    database: Database, counted: Callable[[Callable[[], object]], tuple[int, int]]
) -> None:
    take(database, [fact("settled", "e1"), fact("settled", "e2", external_object_id="s2")])
    take(database, refunds(0, MANY))
    old = counted(lambda: take(database, refunds(MANY, 1)))
    new = counted(lambda: take(database, refunds(MANY + 1, 1, external_object_id="s2")))
    assert old == new
    with database.transaction() as tx:
        sizes = fetch(tx, "SELECT pg_column_size(standing) AS size FROM source_object")
    assert max(row.size for row in sizes) < 400


def test_a_page_of_activity_reads_no_more_of_a_client_with_very_many(
    database: Database,
    api_database: Database,
    counted: Callable[[Callable[[], object]], tuple[int, int]],
) -> None:
    take(database, [fact("settled", "e1"), *refunds(0, MANY)])
    take(database, [fact("settled", "e2", external_id="li-na", external_object_id="s2")])
    shown = PostgresReads(api_database)
    known = shown.client_ids("lakeside", {WANG_FANG, LI_NA})

    def page(after: int) -> Callable[[], object]:
        return lambda: shown.activities("lakeside", known[WANG_FANG], after, 10)

    assert [counted(page(after)) for after in (0, MANY // 2, MANY - 20)] == [(1, 11)] * 3
    found = shown.activities("lakeside", known[WANG_FANG], MANY - 9, 100) or []
    assert [activity.sequence for activity in found] == list(range(MANY - 8, MANY + 2))
    only = shown.activities("lakeside", known[LI_NA], 0, 10) or []
    assert [activity.delta.kind for activity in only] == ["settled"]
