"""BatchedReads from the event loop: each its practice's, and none is lost with a connection."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime import batched_reads
from rapport_runtime.batched_reads import BatchedReads, PracticeQuery
from rapport_runtime.database import Database

pytestmark = pytest.mark.integration
WHO = b"select current_setting('rapport.practice_id', true)"
BACKEND = PracticeQuery("north", b"select pg_backend_pid()", ())


@pytest.fixture
def asked(chassis_database: ServiceDatabase) -> Iterator[BatchedReads]:
    made = BatchedReads(chassis_database.api_url, {"application_name": "questions"})
    yield made
    made.close()


def answers(asked: BatchedReads, *those: PracticeQuery) -> list[list[tuple[object, ...]]]:
    """Ask on a loop of its own."""
    return asyncio.run(asked.fetch_many(those))


def test_each_question_sees_its_own_practice(asked: BatchedReads) -> None:
    these = [PracticeQuery(name, WHO, ()) for name in ("north", "south", "north", "o'hare")]
    assert answers(asked, *these) == [[("north",)], [("south",)], [("north",)], [("o'hare",)]]


def test_a_practice_is_seen_no_longer_than_its_question(asked: BatchedReads) -> None:
    async def scenario() -> None:
        await asked.fetch_many([PracticeQuery("north", WHO, ())])
        assert asked._connection is not None
        left = await asked._connection.execute(WHO)
        assert await left.fetchone() == ("",)

    asyncio.run(scenario())


def test_values_arrive_as_they_are(asked: BatchedReads) -> None:
    value = 'it\'s 50 %s; \\ "quoted" 心'
    statement = b"select %s::text, unnest(%s::text[]), %s::int"
    (rows,) = answers(asked, PracticeQuery("north", statement, (value, [value, "b"], 7)))
    assert rows == [(value, value, 7), (value, "b", 7)]


def test_a_connection_that_broke_is_replaced(
    asked: BatchedReads, chassis_database: ServiceDatabase
) -> None:
    ((before,),) = answers(asked, BACKEND)[0]
    with psycopg.connect(chassis_database.api_url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [before])
    ((after,),) = answers(asked, BACKEND)[0]
    assert after != before


def test_nobody_there_is_said_at_once() -> None:
    nowhere = BatchedReads("postgresql://nobody@127.0.0.1:9/none", {"connect_timeout": 2})
    with pytest.raises(psycopg.OperationalError):
        answers(nowhere, BACKEND)


def test_a_refused_statement_breaks_nothing(asked: BatchedReads) -> None:
    before = answers(asked, BACKEND)
    with pytest.raises(psycopg.errors.UndefinedTable):
        answers(asked, BACKEND, PracticeQuery("north", b"select * from nothing", ()))
    assert answers(asked, BACKEND) == before


def test_an_answer_that_does_not_come_is_not_waited_for(
    asked: BatchedReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(asked, BACKEND)
    monkeypatch.setattr(batched_reads, "ANSWER_SECONDS", 0.3)
    with pytest.raises(psycopg.OperationalError, match="no answer"):
        answers(asked, PracticeQuery("north", b"select pg_sleep(20)", ()))
    monkeypatch.undo()
    assert answers(asked, BACKEND) != before


def test_the_door_asks_with_its_limits_and_closes(chassis_database: ServiceDatabase) -> None:
    door = Database(chassis_database.api_url, application_name="toy")
    statement = b"select current_setting('statement_timeout'), current_setting('application_name')"
    asked = door.fetch_many([PracticeQuery("north", statement, ())])
    assert asyncio.run(asked) == [[("30s", "toy")]]
    open_one = door._batched_reads._connection
    door.close()
    assert open_one is not None
    assert open_one.closed
