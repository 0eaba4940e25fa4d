"""How long a key passes that holds no more, and how soon one that is new."""

import pytest
from fastapi import FastAPI

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.fast.remembered_keys import REMEMBERED_SECONDS, RememberedKeys
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, FakeKeys, toy_app

PATH = "/v1/things/t1"


class Clock:
    """Seconds, as the test sets them."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def holders() -> dict[str, Principal]:
    return dict(FakeKeys().holders)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(holders: dict[str, Principal], clock: Clock) -> FastAPI:
    made = toy_app()
    made.state.keys = RememberedKeys(FakeKeys(holders), clock)
    return made


def test_a_revoked_key_passes_for_two_seconds_at_most(
    app: FastAPI, holders: dict[str, Principal], clock: Clock
) -> None:
    assert REMEMBERED_SECONDS == 2.0  # what documents and `keys revoke --help` promise
    assert ask(app, "GET", PATH, headers=PRACTICE).status_code == 404
    del holders["practice"]
    clock.now += 1.99
    assert ask(app, "GET", PATH, headers=PRACTICE).status_code == 404
    clock.now += 0.01
    assert ask(app, "GET", PATH, headers=PRACTICE).status_code == 401


def test_use_does_not_prolong_it(app: FastAPI, holders: dict[str, Principal], clock: Clock) -> None:
    ask(app, "GET", PATH, headers=PRACTICE)
    del holders["practice"]
    answers = []
    for _ in range(5):
        clock.now += 0.5
        answers.append(ask(app, "GET", PATH, headers=PRACTICE).status_code == 401)
    assert answers == [False, False, False, True, True]


def test_a_refused_key_is_not_remembered(app: FastAPI, holders: dict[str, Principal]) -> None:
    principal = holders.pop("practice")
    assert ask(app, "GET", PATH, headers=PRACTICE).status_code == 401
    holders["practice"] = principal
    assert ask(app, "GET", PATH, headers=PRACTICE).status_code == 404


def test_keys_are_remembered_as_hashes(holders: dict[str, Principal]) -> None:
    keys = RememberedKeys(FakeKeys(holders))
    assert keys.verify("practice") == holders["practice"]
    assert "practice" not in str(vars(keys)["_known"].keys())
    assert keys.recall("practice") == holders["practice"]
    assert keys.recall("other") is None
