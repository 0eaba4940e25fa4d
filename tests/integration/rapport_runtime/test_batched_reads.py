"""Batched reads: each query sees its own practice, and none is lost with a connection."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.batched_reads import BatchedReads, PracticeQuery
from rapport_runtime.database import Database

pytestmark = pytest.mark.integration
PRACTICE = "select current_setting('rapport.practice_id', true)"
BACKEND = PracticeQuery("north", "select pg_backend_pid()", {})


@pytest.fixture
def reads(runtime_database: ServiceDatabase) -> Iterator[BatchedReads]:
    made = BatchedReads(runtime_database.api_url, {"application_name": "reads"})
    yield made
    made.close()


def answers(reads: BatchedReads, *queries: PracticeQuery) -> list[list[tuple[object, ...]]]:
    """Fetch on an event loop of its own."""
    return asyncio.run(reads.fetch_many(queries))


def test_each_query_sees_its_own_practice(reads: BatchedReads) -> None:
    queries = [PracticeQuery(name, PRACTICE, {}) for name in ("north", "south", "north", "o'hare")]
    assert answers(reads, *queries) == [[("north",)], [("south",)], [("north",)], [("o'hare",)]]


def test_a_practice_is_seen_no_longer_than_its_query(reads: BatchedReads) -> None:
    async def scenario() -> None:
        await reads.fetch_many([PracticeQuery("north", PRACTICE, {})])
        assert reads._connection is not None
        left = await reads._connection.execute(PRACTICE)
        assert await left.fetchone() == ("",)

    asyncio.run(scenario())


def test_values_arrive_as_they_are(reads: BatchedReads) -> None:
    value = 'it\'s 50 %s; \\ "quoted" 心'
    statement = "select %(a)s::text as a, unnest(%(b)s::text[]) as b, %(c)s::int as c, '5 %%' as d"
    parameters = {"a": value, "b": [value, "b"], "c": 7}
    (rows,) = answers(reads, PracticeQuery("north", statement, parameters))
    assert rows == [(value, value, 7, "5 %"), (value, "b", 7, "5 %")]
    assert (rows[0].a, rows[1].b) == (value, "b")


def test_a_connection_that_broke_is_replaced(
    reads: BatchedReads, runtime_database: ServiceDatabase
) -> None:
    ((before,),) = answers(reads, BACKEND)[0]
    with psycopg.connect(runtime_database.api_url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [before])
    ((after,),) = answers(reads, BACKEND)[0]
    assert after != before


def test_a_database_that_is_not_there_is_an_error_at_once() -> None:
    nowhere = BatchedReads("postgresql://nobody@127.0.0.1:9/none", {"connect_timeout": 2})
    with pytest.raises(psycopg.OperationalError):
        answers(nowhere, BACKEND)


def test_a_refused_statement_breaks_nothing(reads: BatchedReads) -> None:
    before = answers(reads, BACKEND)
    with pytest.raises(psycopg.errors.UndefinedTable):
        answers(reads, BACKEND, PracticeQuery("north", "select * from nothing", {}))
    assert answers(reads, BACKEND) == before


def test_an_answer_that_does_not_come_is_not_waited_for(
    runtime_database: ServiceDatabase,
) -> None:
    hurried = BatchedReads(runtime_database.api_url, {}, answer_seconds=0.3)
    before = answers(hurried, BACKEND)
    with pytest.raises(psycopg.OperationalError, match="no answer"):
        answers(hurried, PracticeQuery("north", "select pg_sleep(20)", {}))
    assert answers(hurried, BACKEND) != before
    hurried.close()


def test_a_databases_reads_keep_its_limits_and_close_with_it(
    runtime_database: ServiceDatabase,
) -> None:
    database = Database(runtime_database.api_url, application_name="toy")
    statement = """
        select current_setting('statement_timeout') as timeout,
            current_setting('application_name') as name
    """
    rows = database.fetch_many([PracticeQuery("north", statement, {})])
    assert asyncio.run(rows) == [[("30s", "toy")]]
    open_one = database._batched_reads._connection
    database.close()
    assert open_one is not None
    assert open_one.closed
