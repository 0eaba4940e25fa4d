"""What a purge takes of outreach's tables, and what stays (ADR 29)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from outreach_service.documents.playbooks import read_known_play
from outreach_service.domain.message_views import MessageFilter
from outreach_service.domain.messages import WAITING, State
from outreach_service.ports.records import MessageKey
from outreach_service.store.messages import PostgresMessages, PostgresMessageTable
from outreach_service.store.purging import WAYS
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime.database import Database
from rapport_runtime.retention.classes import read_classes
from rapport_runtime.retention.purge import Purge
from tests.support.memory.harbour import a_play_document

pytestmark = pytest.mark.integration
LONG_AGO = datetime(2020, 1, 15, tzinfo=UTC)
NOW = datetime.now(UTC)
_MESSAGE = """
    INSERT INTO message (practice_id, message_id, client_id, partition, play, step, occasion_kind,
        occasion_id, play_body, purpose, change, due_at, decide_at, state, changed_at, retry_until)
    VALUES ('willow', %s, 'ada', 0, 'check-in', 0, 'tier', %s, %s, 'care', %s, %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
_WHOLE = "SELECT message_id FROM message WHERE play_body IS NOT NULL AND change IS NOT NULL"


class World:
    """Outreach's database, with the worker's role and the purge's."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.urls = urls
        self.purger = Database(urls.purge_url, application_name="purge")
        self.api = Database(urls.api_url, application_name="api")

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.urls.worker_url) as worker:
            done = worker.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def message(
        self, name: str, state: State, at: datetime, retry_until: datetime | None = None
    ) -> None:
        play, change = Jsonb(a_play_document()), Jsonb({"to_tier": "gold"})
        self.run(_MESSAGE, name, name, play, change, at, at, str(state), at, retry_until)

    def whole(self) -> set[str]:
        return {name for (name,) in self.run(_WHOLE)}

    def purge(self) -> dict[str, int]:
        purge = Purge(self.purger, read_classes("outreach_service"), WAYS)
        reports = purge.confirm("ann", "a test")
        assert [report.failed for report in reports] == [None] * len(reports)
        return {report.name: report.rows for report in reports}

    def close(self) -> None:
        self.purger.close()
        self.api.close()


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[World]:
    made = World(service_database("outreach"))
    yield made
    made.close()


def test_an_old_message_shrinks_once_it_is_at_an_end(world: World) -> None:
    for state in State:
        world.message(f"old-{state}", state, LONG_AGO)
        world.message(f"new-{state}", state, NOW)
    world.message("repeated", State.UNKNOWN, LONG_AGO, NOW)
    assert world.purge()["messages"] == len(State) - len(WAITING) - 1
    going_on = {*WAITING, State.SENDING}
    expected = {f"old-{state}" for state in going_on} | {f"new-{state}" for state in State}
    assert world.whole() == expected | {"repeated"}


def test_a_second_message_for_the_same_occasion_stays_impossible(world: World) -> None:
    world.message("m1", State.ACCEPTED, LONG_AGO)
    world.purge()
    world.message("m1", State.SCHEDULED, NOW)
    assert world.run("SELECT state FROM message") == [("accepted",)]
    assert world.whole() == set()


def test_what_is_left_of_a_message_is_shown(world: World) -> None:
    world.message("m1", State.ACCEPTED, LONG_AGO)
    world.purge()
    messages = PostgresMessages(world.api, read_known_play)
    (row,) = messages.page("willow", MessageFilter(), "", 10)
    assert (row.state, row.mode, row.expires_at) == ("accepted", None, None)
    with world.api.transaction("willow") as tx:
        stored = PostgresMessageTable(tx, read_known_play).find(MessageKey("willow", "m1"))
    assert stored is not None
    assert (stored.play, stored.change) == (None, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE message SET state = 'scheduled'",
        "UPDATE message SET play_body = '{}', change = '{}'",
        "UPDATE message SET play_body = NULL",
        "DELETE FROM message",
    ],
)
def test_the_purge_does_nothing_else_to_a_message(world: World, statement: str) -> None:
    world.message("m1", State.ACCEPTED, LONG_AGO)
    with (
        psycopg.connect(world.urls.purge_url) as purge,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)),
    ):
        purge.execute(statement.encode())


def test_the_purge_cannot_take_what_a_waiting_message_is_made_of(world: World) -> None:
    for state in (*WAITING, State.SENDING):
        world.message(str(state), state, LONG_AGO)
    with psycopg.connect(world.urls.purge_url) as purge:
        taken = purge.execute("UPDATE message SET play_body = NULL, change = NULL").rowcount
    assert taken == 0


def test_old_attempts_and_bookings_go_and_the_others_stay(world: World) -> None:
    for number, at in enumerate((LONG_AGO, NOW)):
        world.run(
            "INSERT INTO attempt (practice_id, message_id, number, channel, started_at,"
            " business_at) VALUES ('willow', 'm1', %s, 'sms', %s, %s)",
            number,
            at,
            at,
        )
    for name, at in (("a1", LONG_AGO), ("a2", NOW + timedelta(days=3))):
        world.run("INSERT INTO booking VALUES ('willow', 'ada', %s, %s, 1)", name, at)
    removed = world.purge()
    assert (removed["attempts"], removed["bookings"]) == (1, 1)
    assert world.run("SELECT number FROM attempt") == [(1,)]
    assert world.run("SELECT activity_id FROM booking") == [("a2",)]


_READ = "INSERT INTO personal_read VALUES ('willow', 'ada', %s, 'till', 'preferences', 1, %s, %s)"


def test_reads_of_personal_data_go_after_their_term_and_no_sooner(world: World) -> None:
    kept = (NOW - timedelta(days=1_000), NOW)
    with psycopg.connect(world.urls.api_url) as api:
        api.execute("SELECT set_config('rapport.practice_id', 'willow', true)")
        for at in (LONG_AGO, *kept):
            api.execute(_READ.encode(), [at.date(), at, at])
    assert world.purge()["reads"] == 1
    left = world.run("SELECT day FROM personal_read ORDER BY day")
    assert left == [(at.date(),) for at in kept]


@pytest.mark.parametrize("role", ["worker", "api", "owner", "superuser"])
def test_nobody_but_the_purge_removes_a_read(world: World, postgres: Postgres, role: str) -> None:
    urls = {
        "worker": world.urls.worker_url,
        "api": world.urls.api_url,
        "owner": world.urls.owner_url,
        "superuser": postgres.url(world.urls.name),
    }
    with psycopg.connect(world.urls.api_url) as api:
        api.execute("SELECT set_config('rapport.practice_id', 'willow', true)")
        api.execute(_READ.encode(), [NOW.date(), NOW, NOW])
    for statement in ("DELETE FROM personal_read", "TRUNCATE personal_read"):
        with psycopg.connect(urls[role]) as connection, suppress(psycopg.Error):
            connection.execute(statement.encode())
    assert world.run("SELECT count(*) FROM personal_read") == [(1,)]
