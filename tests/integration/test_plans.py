"""No statement reads a table of millions from end to end, or another practice's rows in vain.

The statements are found in the code; Postgres makes their plans for tables whose statistics say
millions, by the roles and under the policies of production.
"""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from outreach_service.store import messages
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from tests.support.plans.big_tables import ROWS, SMALL, Scan, big_tables, plan, scans
from tests.support.plans.statements import PACKAGES, Statement, composing, put_together, statements

pytestmark = pytest.mark.integration
OF_A_PRACTICE = ROWS // 200
"""The planner's guess where nothing is known of the values."""
MANY = 10_000
"""Rows that are too many for one answer of the API."""
OWN_POLICY = frozenset({"dead_letter", "decided_letter"})
"""Letters of nobody are an operator's: a condition of these tables alone."""
_GUARDED = """
    SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relrowsecurity AND NOT relispartition AND attname = 'practice_id'
      AND has_table_privilege(pg_class.oid, 'SELECT')
"""

WHOLE: Mapping[str, str] = {
    "rapport_runtime.stream.outbox._PLACES": "a command after a restore, once",
    "rapport_runtime.stream.outbox._STAMP_ANEW": "a command after a restore, once",
    "rapport_runtime.stream.dead_letters.table._STOP": "an index of the letters in a replay alone",
    "ingestion_service.store.undeclared._LOCK_DECLARED": "an index of the sources that move alone",
    "ingestion_service.store.status._PARKED": "ends at the first, which is the oldest",
    "outreach_service.store.status._UNKNOWN": "an index of the unknown messages alone",
    "outreach_service.store.status._FIRST_AWAITED": "ends at the first that was not tried yet",
}
"""Statement that may read a table or an index from end to end -> why."""

FOREIGN: Mapping[str, str] = {
    "rapport_runtime.stream.dead_letters.store._LIST": "walks past the letters of others",
    "rapport_runtime.stream.dead_letters.store._COUNT": "likewise",
    "rapport_runtime.stream.dead_letters.store._QUEUE_MANY": "likewise",
    "rapport_runtime.stream.dead_letters.store._TALLY": "likewise",
}
"""Statement for one practice that may find others' rows -> why."""

GROWS: Mapping[str, str] = {
    "outreach_service.store.messages._COUNTS": "messages by state, from the index alone",
    "outreach_service.store.channels._WAITING": "what waits, not what has been",
    "ingestion_service.store.reads._SOURCES": "parked events wait, too, at most 100,000",
    "ingestion_service.store.sources._SOURCES_OF": "a practice declares 200 sources at most",
    "ingestion_service.store.freshness_reads._DAYS": "400 days of each source, which then go",
}
"""Statement for one practice whose answer needs all its rows -> why it may."""


def message_pages() -> list[str]:
    """By one filter each, and by none."""
    chosen = ["", *messages._FILTERS.values()]
    return [messages._MESSAGE + only + messages._NEXT for only in chosen]


COMPOSED: Mapping[str, Callable[[], list[str]]] = {
    "outreach_service.store.messages.page": message_pages,
}
"""Function that puts a statement together -> what it can become."""


Plans = Mapping[tuple[Statement, str], Sequence[Scan]]
"""The scans of large tables in each statement, by the statement and the role."""


@pytest.fixture
def plans_of(
    service_database: Callable[[str], ServiceDatabase], postgres: Postgres
) -> Callable[..., Plans]:
    """`plans_of("scoring", "client_due")`: the plans of scoring without this index. Statements that
    a role may not run have no plan for it."""

    def look(service: str, without_index: str | None = None) -> Plans:
        made = service_database(service)
        with (
            big_tables(postgres.url(made.name), without_index) as large,
            psycopg.connect(made.worker_url, autocommit=True) as worker,
            psycopg.connect(made.api_url, autocommit=True) as api,
        ):
            api.execute("SELECT set_config('rapport.practice_id', 'x', false)")
            return {
                (statement, role): large_scans(connection, statement.text, large)
                for statement in all_statements(service)
                for role, connection in (("worker", worker), ("api", api))
            }

    return look


def all_statements(service: str) -> list[Statement]:
    composed = [
        Statement(place, text) for place in put_together(service) for text in COMPOSED[place]()
    ]
    return [*statements(service), *composed]


def large_scans(
    connection: psycopg.Connection[Any], text: str, large: Collection[str]
) -> list[Scan]:
    try:
        return [each for each in scans(plan(connection, text)) if each.table in large]
    except psycopg.errors.InsufficientPrivilege:
        return []


def whole(plans: Plans) -> set[str]:
    """The statements that read a table from end to end."""
    return {
        statement.place
        for (statement, _), seen in plans.items()
        if any(scan.is_whole for scan in seen)
    }


def foreign(plans: Plans) -> set[str]:
    """The statements for one practice that find other practices' rows, and leave them out then."""
    return {
        statement.place
        for (statement, role), seen in plans.items()
        if role == "api" and statement.is_of_one_practice
        if any("practice_id" in scan.filter and "id = " not in scan.condition for scan in seen)
    }


def growing(plans: Plans) -> set[str]:
    """The statements for one practice that read more, the longer it goes on."""
    return {
        statement.place
        for (statement, role), seen in plans.items()
        if role == "api" and statement.is_of_one_practice
        if any(scan.rows > MANY and not scan.is_limited for scan in seen)
    }


@pytest.mark.parametrize("service", sorted(PACKAGES))
def test_statements_read_no_more_than_they_need(
    service: str, plans_of: Callable[..., Plans]
) -> None:
    plans = plans_of(service)
    assert len(plans) > 100
    assert whole(plans) <= WHOLE.keys()
    assert foreign(plans) <= FOREIGN.keys()
    assert growing(plans) <= GROWS.keys()


@pytest.mark.parametrize(
    ("service", "index", "place"),
    [
        ("outreach", "message_repeats", "outreach_service.store.queue._END_OVERDUE_REPEATS"),
        ("outreach", "message_leased", "outreach_service.store.queue._LOST"),
        ("scoring", "client_due", "scoring_service.store.clients._DUE"),
    ],
)
def test_without_its_index_a_statement_is_told(
    service: str, index: str, place: str, plans_of: Callable[..., Plans]
) -> None:
    plans = plans_of(service, index)
    assert place in whole(plans) | foreign(plans) | growing(plans)


def test_a_page_of_activity_reads_one_range_of_an_index(plans_of: Callable[..., Plans]) -> None:
    """What it leaves out there is told by `told_anew`, since the client's zone has changed."""
    pages = [
        seen
        for (statement, role), seen in plans_of("ingestion").items()
        if role == "api" and statement.place == "ingestion_service.store.reads._CAUSES"
    ]
    assert [len(seen) for seen in pages] == [2]
    assert {
        ("client_id" in scan.condition, "first_sequence" in scan.condition, scan.filter)
        for seen in pages
        for scan in seen
    } == {(True, True, "(ledger_id > '1'::bigint)")}


@pytest.mark.parametrize("service", sorted(PACKAGES))
def test_policies_do_not_spoil_the_planners_estimates(
    service: str, service_database: Callable[[str], ServiceDatabase], postgres: Postgres
) -> None:
    """A practice's rows are awaited in about their number, whatever a policy adds."""
    made = service_database(service)
    with (
        big_tables(postgres.url(made.name)),
        psycopg.connect(made.api_url, autocommit=True) as api,
    ):
        api.execute("SELECT set_config('rapport.practice_id', 'x', false)")
        guarded = {table for (table,) in api.execute(_GUARDED).fetchall()} - SMALL - OWN_POLICY
        awaited = {table: rows_of_a_practice(api, table) for table in guarded}
    assert len(guarded) > 1
    assert {table: rows for table, rows in awaited.items() if rows < OF_A_PRACTICE // 3} == {}


def rows_of_a_practice(api: psycopg.Connection[Any], table: str) -> int:
    text = f"SELECT practice_id FROM {table} WHERE practice_id = %(practice_id)s"  # noqa: S608
    return int(plan(api, text)["Plan Rows"])


def test_a_statement_that_a_function_puts_together_is_found() -> None:
    source = """
def page(tx, names):
    text = _ALL + "".join(names)
    return fetch(tx, text)

def one(tx):
    return fetch_one(tx, f"{_ALL} LIMIT 1")

def handed_on(tx, statement):
    return fetch(tx, statement, {"now": text("x")})
"""
    assert list(composing(ast.parse(source))) == ["page", "one"]
