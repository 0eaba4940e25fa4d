"""A key says what it is, whatever it may do, and without asking the database for more."""

from datetime import UTC, datetime
from typing import Any

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import create_app
from rapport_runtime.http.me import me_router
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import FakeKeys, problem, toy_service

ENDS = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def me(key: str) -> Any:
    holders = {
        "till": Principal("k1", "north", frozenset({"b:write", "a:read"}), "till", ENDS),
        "operator": Principal("k2", None, frozenset({"nothing:read"})),
    }
    app = create_app(toy_service(keys=FakeKeys(holders)), [me_router()])
    return ask(app, "GET", "/v1/me", headers={"Authorization": f"Bearer {key}"})


def test_a_practices_key() -> None:
    assert me("till").json() == {
        "key_id": "k1",
        "holder": "practice",
        "practice_id": "north",
        "scopes": ["a:read", "b:write"],
        "label": "till",
        "expires_at": "2026-03-02T09:30:00Z",
    }


def test_an_operators_key_that_may_do_nothing_here() -> None:
    said = me("operator").json()
    assert (said["holder"], said["practice_id"], said["expires_at"]) == ("operator", None, None)


def test_a_guess_is_told_nothing() -> None:
    problem(me("guess"), 401, "unauthorised")
