"""A practice that calls too often waits; no other does."""

import pytest

from rapport_runtime.http.calls import CallLimit
from rapport_runtime.http.problems import TooManyRequests
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, READER, problem, toy_app


class Clock:
    """Seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counted(limit: CallLimit, holder: str, calls: int) -> int:
    """How many of so many calls are let in."""
    let_in = 0
    for _ in range(calls):
        try:
            limit.count(holder)
        except TooManyRequests:
            continue
        let_in += 1
    return let_in


def test_a_second_of_calls_may_come_at_once_and_no_more(clock: Clock) -> None:
    limit = CallLimit(10, clock)
    assert counted(limit, "loud", 50) == 10
    clock.now += 0.5
    assert counted(limit, "loud", 50) == 5
    clock.now += 3_600
    assert counted(limit, "loud", 50) == 10


def test_no_practice_pays_for_another(clock: Clock) -> None:
    limit = CallLimit(10, clock)
    counted(limit, "loud", 50)
    assert counted(limit, "quiet", 10) == 10


def test_the_refusal_says_when_to_come_back(clock: Clock) -> None:
    limit = CallLimit(10, clock)
    counted(limit, "loud", 10)
    with pytest.raises(TooManyRequests) as refused:
        limit.count("loud")
    assert refused.value.reason == "rate-exceeded"
    assert refused.value.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"practice";q=10;w=1',
        "RateLimit": '"practice";r=0;t=1',
    }
    clock.now += 1
    limit.count("loud")


def test_memory_is_bounded(clock: Clock) -> None:
    limit = CallLimit(1, clock)
    for number in range(10_050):
        limit.count(f"practice {number}")
    assert len(limit._full_at) == 10_000
    assert counted(limit, "practice 10049", 1) == 0


def test_a_practice_that_calls_too_often_gets_429_and_operators_do_not(clock: Clock) -> None:
    app = toy_app()
    app.state.calls = CallLimit(2, clock)
    answers = [ask(app, "GET", "/v1/numbers", headers=READER) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    refused = ask(app, "GET", "/v1/numbers", headers=PRACTICE)
    assert problem(refused, 429, "too-many-requests")["reason"] == "rate-exceeded"
    assert refused.headers["ratelimit-policy"] == '"practice";q=2;w=1'
    assert refused.headers["retry-after"] == "1"
    assert ask(app, "GET", "/v1/operators", headers=OPERATOR).status_code == 200
