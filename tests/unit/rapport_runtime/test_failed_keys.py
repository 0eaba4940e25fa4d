"""Guessing keys is slowed down by address, and nobody else is locked out by it (S15)."""

import pytest

from rapport_runtime.http.failed_keys import FailedKeys
from tests.unit.rapport_runtime.toy import ask, toy_app


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail(keys: FailedKeys, times: int, address: str = "10.0.0.1") -> None:
    for number in range(times):
        keys.failed(address, f"guess {number}")


def test_an_address_waits_after_its_failures_and_may_try_again_later(clock: Clock) -> None:
    keys = FailedKeys(60, clock)
    fail(keys, 59)
    assert keys.wait_seconds("10.0.0.1", "guess") == 0
    fail(keys, 1)
    assert keys.wait_seconds("10.0.0.1", "guess") == 1
    clock.now += 1
    assert keys.wait_seconds("10.0.0.1", "guess") == 0
    fail(keys, 1)
    assert keys.wait_seconds("10.0.0.1", "guess") == 1
    clock.now += 3600
    fail(keys, 60)
    assert keys.wait_seconds("10.0.0.1", "guess") == 1


def test_other_addresses_and_good_keys_are_not_held_up(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    keys.held("good")
    fail(keys, 5)
    assert keys.wait_seconds("10.0.0.2", "guess") == 0
    assert keys.wait_seconds("10.0.0.1", "good") == 0
    assert keys.wait_seconds("10.0.0.1", "guess") > 60
    keys.failed("10.0.0.1", "good")  # it was revoked
    assert keys.wait_seconds("10.0.0.1", "good") > 60


def test_a_network_of_ipv6_is_one_caller(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    fail(keys, 1, "2001:db8:1:2::1")
    assert keys.wait_seconds("2001:db8:1:2:ffff::9", "guess") > 0
    assert keys.wait_seconds("2001:db8:1:3::1", "guess") == 0


def test_memory_is_bounded(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    for number in range(10_050):
        keys.failed(f"address {number}", "guess")
        keys.held(f"key {number}")
    assert len(keys._buckets) == len(keys._good) == 10_000
    assert keys.wait_seconds("address 10049", "guess") > 0


def test_guessing_through_the_app_ends_in_429_for_all_but_good_keys() -> None:
    app = toy_app(failed_keys_per_minute=5)
    good = {"Authorization": "Bearer practice"}
    assert ask(app, "GET", "/v1/numbers", headers=good).status_code == 200
    answers = [
        ask(app, "GET", "/v1/numbers", headers={"Authorization": f"Bearer guess-{number}"})
        for number in range(8)
    ]
    assert [one.status_code for one in answers] == [401] * 5 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["type"] == "urn:rapport:problem:too-many-requests"
    assert ask(app, "GET", "/v1/numbers", headers=good).status_code == 200
    late = {"Authorization": "Bearer reader"}  # good, but never seen from here
    assert ask(app, "GET", "/v1/numbers", headers=late).status_code == 429
