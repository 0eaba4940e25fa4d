"""Who has read a client's personal data: each answer with it is counted, or is not given (S16)."""

from datetime import date
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from rapport_devkit.postgres import Postgres
from tests.integration.outreach_service.api_world import LIN, WANG, World

pytestmark = pytest.mark.integration

MESSAGE = "a" * 32
TEXT, PREFERENCES = f"/v1/messages/{MESSAGE}", f"/v1/clients/{LIN}/preferences"
READS = f"/v1/clients/{LIN}/reads"
SHOWING = {
    "/v1/messages/{message_id}": "message-text",
    "/v1/clients/{client_id}/preferences": "preferences",
}
"""Routes that answer with personal data -> by what word they are recorded."""
NOT_SHOWING = {
    *("/v1/messages", "/v1/messages/summary"),  # state and reason, no text
    "/v1/clients/{client_id}/reads",
    *("/v1/playbook", "/v1/channels"),
    "/v1/unsubscribe/{token}",  # the client's own link, without a key
}


@pytest.fixture
def filled(world: World) -> World:
    """Lin has a phone, and a message that can be rendered."""
    world.fill_what_the_bus_tells()
    world.put_contact()
    world.add_message(MESSAGE)
    return world


def listed(world: World, **query: Any) -> list[dict[str, Any]]:
    answer = world.call("GET", READS, params=query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def read_on(world: World, day: date, key: str = "till") -> None:
    with world.api.transaction("harbour") as tx:
        tx.execute(
            sa.text(
                "INSERT INTO personal_read VALUES"
                " ('harbour', :client, :day, :key, 'preferences', 1, :day, :day)"
            ),
            {"client": LIN, "day": day, "key": key},
        )


def test_of_every_route_it_is_said_whether_it_shows_personal_data(world: World) -> None:
    """A new one must be put into one of the two, and recorded if it shows any."""
    paths = world.app.openapi()["paths"]
    assert {path for path, methods in paths.items() if "get" in methods} == {
        *SHOWING,
        *NOT_SHOWING,
    }


@pytest.mark.parametrize("path", sorted(SHOWING))
def test_each_read_of_personal_data_is_recorded(filled: World, path: str) -> None:
    address = path.format(client_id=LIN, message_id=MESSAGE)
    assert filled.call("GET", address).status_code == 200
    (row,) = listed(filled)
    assert (row["key_id"], row["what"], row["count"]) == ("harbour", SHOWING[path], 1)
    assert row["first_at"] == row["last_at"]
    assert row["first_at"].startswith(row["day"])


def test_two_reads_on_one_day_are_one_row(filled: World) -> None:
    for _ in range(2):
        filled.call("GET", PREFERENCES)
    (row,) = listed(filled)
    assert row["count"] == 2
    assert row["first_at"] < row["last_at"]


@pytest.mark.parametrize("path", sorted(NOT_SHOWING - {"/v1/unsubscribe/{token}"}))
def test_what_shows_nobodys_data_is_not_recorded(filled: World, path: str) -> None:
    assert filled.call("GET", path.format(client_id=LIN)).status_code == 200
    assert filled.rows("SELECT * FROM personal_read") == []


def test_what_is_not_found_or_has_no_text_is_not_recorded(filled: World) -> None:
    without_text = "b" * 32
    filled.add_message(without_text, client_id=WANG)
    assert filled.call("GET", f"/v1/messages/{without_text}").json()["preview"]["body"] == ""
    unknown = "f" * 32
    for path in (f"/v1/messages/{unknown}", f"/v1/clients/{unknown}/preferences"):
        assert filled.call("GET", path).status_code == 404
    for path in (TEXT, PREFERENCES):
        assert filled.call("GET", path, "lakeside").status_code == 404
        assert filled.call("GET", path, "powerless").status_code == 403
    assert filled.rows("SELECT * FROM personal_read") == []


def test_another_practice_is_told_of_no_read(filled: World) -> None:
    filled.call("GET", TEXT)
    theirs = filled.call("GET", READS, "lakeside")
    assert (theirs.status_code, "message-text" in theirs.text) == (404, False)


def test_a_client_whose_data_nobody_has_read_has_an_empty_list(filled: World) -> None:
    assert listed(filled) == []
    filled.put_contact(WANG)
    assert filled.call("GET", f"/v1/clients/{WANG}/reads").json()["items"] == []


def test_a_key_is_named_by_its_label(filled: World) -> None:
    filled.run(
        "INSERT INTO api_key (id, secret_hash, practice_id, scopes, label)"
        " VALUES ('harbour', decode(repeat('00', 32), 'hex'), 'harbour', '{x:read}', 'till')"
    )
    filled.call("GET", TEXT)
    (row,) = listed(filled)
    assert (row["key_id"], row["key_label"]) == ("harbour", "till")


def test_days_are_listed_in_pages_the_oldest_first(world: World) -> None:
    for day, key in ((3, "till"), (1, "till"), (1, "desk"), (2, "till")):
        read_on(world, date(2026, 3, day), key)
    first = world.call("GET", READS, params={"limit": 3}).json()
    rest = listed(world, limit=3, cursor=first["next_cursor"])
    assert [(one["day"], one["key_id"]) for one in [*first["items"], *rest]] == [
        ("2026-03-01", "desk"),
        ("2026-03-01", "till"),
        ("2026-03-02", "till"),
        ("2026-03-03", "till"),
    ]


@pytest.mark.parametrize("path", [TEXT, PREFERENCES])
def test_what_cannot_be_recorded_is_not_shown(filled: World, path: str, postgres: Postgres) -> None:
    """A disk that is full, as the database says it."""
    with psycopg.connect(postgres.url(filled.worker.engine.url.database)) as superuser:
        superuser.execute("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END
            $$
        """)
        superuser.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON personal_read"
            " FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
    answer = filled.call("GET", path)
    assert answer.status_code == 503
    assert "林小满" not in answer.text
    assert "***8000" not in answer.text


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM personal_read",
        "TRUNCATE personal_read",
        "UPDATE personal_read SET key_id = 'somebody'",
        "UPDATE personal_read SET day = '2020-01-01'",
        "UPDATE personal_read SET count = count - 1",
        "UPDATE personal_read SET count = count + 1, last_at = '2020-01-01'",
    ],
)
def test_a_read_is_neither_undone_nor_changed(filled: World, statement: str) -> None:
    """By the grants, or by the trigger where a column may be written."""
    filled.call("GET", TEXT)
    with (
        pytest.raises((sa.exc.ProgrammingError, sa.exc.IntegrityError)),
        filled.api.transaction("harbour") as tx,
    ):
        tx.execute(sa.text(statement))
    (row,) = listed(filled)
    assert (row["key_id"], row["count"]) == ("harbour", 1)
