"""A large body costs nobody else anything: not before its key holds, and not on the event loop."""

import json
import threading
from typing import Any

import psycopg
import pytest

from rapport_runtime.http import edge
from rapport_runtime.http.api_keys import Principal
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, FakeKeys, problem, toy_app

LARGE = json.dumps({"title": "t", "amount_minor": 1, "anything": ["x"] * 5_000}).encode()
SMALL = json.dumps({"title": "t", "amount_minor": 1}).encode()
JSON = {"Content-Type": "application/json"}


class Parsed:
    """Stands before the check of JSON, and remembers on which threads it ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[threading.Thread] = []
        check = edge.check_json

        def noted(body: bytes) -> None:
            self.threads.append(threading.current_thread())
            check(body)

        monkeypatch.setattr(edge, "check_json", noted)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    return Parsed(monkeypatch)


def post(body: bytes, path: str = "/v1/things", **headers: str) -> Any:
    return ask(toy_app(), "POST", path, content=body, headers={**JSON, **headers})


@pytest.mark.parametrize("path", ["/v1/things", "/v1/elsewhere"])
@pytest.mark.parametrize("key", [{}, {"Authorization": "Bearer guess"}], ids=["none", "a guess"])
def test_a_large_body_without_a_key_that_holds_is_not_looked_at(
    parsed: Parsed, path: str, key: dict[str, str]
) -> None:
    problem(post(LARGE, path, **key), 401, "unauthorised")
    assert parsed.threads == []


def test_with_a_key_it_is_checked_beside_the_event_loop(parsed: Parsed) -> None:
    assert post(LARGE, **PRACTICE).status_code == 201
    [thread] = parsed.threads
    assert thread.name.startswith("json")


def test_it_is_checked_all_the_same(parsed: Parsed) -> None:
    problem(post(LARGE[:-1] + b', "title": "t"}', **PRACTICE), 400, "malformed-json")
    assert len(parsed.threads) == 1


def test_a_small_body_is_checked_at_once(parsed: Parsed) -> None:
    assert post(SMALL, **PRACTICE).status_code == 201
    problem(post(SMALL + b"x"), 400, "malformed-json")
    assert [thread.name for thread in parsed.threads] == ["app-calls"] * 2


class NoDatabase(FakeKeys):
    """The database of the keys does not answer."""

    def verify(self, raw_key: str) -> Principal | None:
        raise psycopg.OperationalError


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_without_a_database_for_its_key_it_is_to_be_sent_again(body: bytes) -> None:
    answer = ask(
        toy_app(keys=NoDatabase()), "POST", "/v1/things", content=body, headers={**JSON, **PRACTICE}
    )
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "2"
