"""Who guesses keys pays before each look-up, and nobody else is locked out by it (S15)."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_runtime.http import key_lookups
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.failed_keys import FailedKeys
from rapport_runtime.http.key_lookups import KeyLookups
from rapport_runtime.http.own_threads import OwnThreads
from rapport_runtime.http.problems import ProblemError
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import FakeKeys, toy_app

PATH = "/v1/numbers"
LIMIT = 60


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spend(keys: FailedKeys, times: int, address: str = "10.0.0.1") -> list[bool]:
    return [keys.pay(address) for _ in range(times)]


def test_an_address_pays_before_each_try_and_never_owes_any(clock: Clock) -> None:
    keys = FailedKeys(60, clock)
    assert spend(keys, 2_000) == [True] * 60 + [False] * 1_940
    assert keys.wait_seconds("10.0.0.1") == 1
    clock.now += 1
    assert keys.wait_seconds("10.0.0.1") == 0
    assert spend(keys, 2) == [True, False]
    clock.now += 3600
    assert spend(keys, 61) == [True] * 60 + [False]


def test_a_key_that_held_costs_nothing(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    for _ in range(5):
        assert keys.pay("10.0.0.1")
        keys.pay_back("10.0.0.1")
    keys.pay_back("10.0.0.1")
    assert spend(keys, 2) == [True, False]


def test_other_addresses_are_not_held_up_and_good_keys_are_known(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    keys.held("good")
    assert spend(keys, 2) == [True, False]
    assert spend(keys, 1, "10.0.0.2") == [True]
    assert keys.has_held("good")
    keys.failed("good")  # it was revoked
    assert not keys.has_held("good")


def test_a_network_of_ipv6_is_one_caller(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    assert spend(keys, 1, "2001:db8:1:2::1") == [True]
    assert spend(keys, 1, "2001:db8:1:2:ffff::9") == [False]
    assert spend(keys, 1, "2001:db8:1:3::1") == [True]


@given(st.ip_addresses(v=4), st.integers(0, 2**64 - 1))
def test_an_ipv4_address_is_one_caller_however_it_is_spelt(address: IPv4Address, rest: int) -> None:
    keys = FailedKeys(1, Clock())
    mapped = IPv6Address(0xFFFF << 32 | int(address))
    assert spend(keys, 1, str(address)) == [True]
    assert spend(keys, 1, f"::ffff:{address}") == [False]
    assert spend(keys, 1, mapped.exploded) == [False]
    assert spend(keys, 1, str(mapped + 1)) == [True]
    assert spend(keys, 1, str(IPv6Address(0x2001 << 112 | rest))) == [True]


@pytest.mark.parametrize("address", ["fe80::1%eth0", "unknown", "", "1.2.3.4.5", "::ffff:1.2.3"])
def test_whatever_a_caller_is_called_it_pays(address: str) -> None:
    assert spend(FailedKeys(1, Clock()), 2, address) == [True, False]


def test_memory_is_bounded(clock: Clock) -> None:
    keys = FailedKeys(1, clock)
    for number in range(10_050):
        keys.pay(f"address {number}")
        keys.held(f"key {number}")
    assert len(keys._buckets) == len(keys._good) == 10_000
    assert keys.wait_seconds("address 10049") > 0


class CountedKeys(FakeKeys):
    """Counts the questions to the database, and the keys in each."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[int] = []

    def verify(self, raw_key: str) -> Principal | None:
        self.questions.append(1)
        return super().verify(raw_key)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        self.questions.append(len(raw_keys))
        return super().verify_many(raw_keys)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def ask_at_once(keys: CountedKeys, sent: list[str], then: str) -> tuple[Counter[int], int]:
    """The statuses of callers with these keys, all at once from one address, and that of one right
    after them."""

    async def ask_all() -> tuple[Counter[int], int]:
        lookups = KeyLookups(FailedKeys(LIMIT, Clock()), OwnThreads("keys", 2))

        async def status(key: str) -> int:
            try:
                await lookups.holder_of(keys, key, "10.0.0.1")
            except ProblemError as refused:
                return refused.status
            return 200

        asked = [asyncio.ensure_future(status(key)) for key in sent]
        await asyncio.sleep(0)
        late = await status(then)
        return Counter(await asyncio.gather(*asked)), late

    return asyncio.run(ask_all())


class BrokenKeys(FakeKeys):
    """A database that is away."""

    def verify(self, raw_key: str) -> Principal | None:
        raise ConnectionError

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        raise ConnectionError


def test_a_look_up_that_raises_is_no_guess() -> None:
    """Whoever asks while the database is away has all tries left once it is back."""

    async def ask_while_away() -> list[object]:
        failures = FailedKeys(LIMIT, Clock())
        lookups = KeyLookups(failures, OwnThreads("keys", 2))
        for _ in range(3):
            asked = (lookups.holder_of(BrokenKeys(), f"k{n}", "10.0.0.1") for n in range(LIMIT))
            for outcome in await asyncio.gather(*asked, return_exceptions=True):
                assert isinstance(outcome, ConnectionError)
        assert lookups._under_way == {}
        asked = (lookups.holder_of(FakeKeys(), f"k{n}", "10.0.0.1") for n in range(LIMIT))
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask_while_away())
    assert {getattr(each, "status", each) for each in answers} == {401}


@pytest.mark.usefixtures("hasty")
def test_a_turn_that_raises_leaves_nobody_in_the_line() -> None:
    async def ask_in_turn() -> Principal:
        failures = FailedKeys(1, Clock())
        lookups = KeyLookups(failures, OwnThreads("keys", 2))
        assert failures.pay("10.0.0.1")
        with pytest.raises(ConnectionError):
            await lookups.holder_of(BrokenKeys(), "reader", "10.0.0.1")
        assert lookups._waiting == set()
        return await lookups.holder_of(FakeKeys(), "reader", "10.0.0.1")

    assert asyncio.run(ask_in_turn()).key_id


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns follow each other at once."""
    monkeypatch.setattr(key_lookups, "TURN_SECONDS", 0.0)


@pytest.mark.usefixtures("hasty")
def test_a_burst_of_guesses_pays_first_and_locks_no_good_key_out() -> None:
    """As it was measured: 2,000 guesses at once, all of which were looked up, and then a good key
    that this process had not seen, which had to wait for half an hour."""
    keys = CountedKeys()
    statuses, late = ask_at_once(keys, [f"guess-{number}" for number in range(2_000)], "reader")
    assert late == 200
    assert statuses == {401: LIMIT, 429: 2_000 - LIMIT}
    assert LIMIT <= keys.questions.count(1) <= LIMIT + 2
    assert max(keys.questions) <= key_lookups.LINE


def test_turns_are_a_second_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    pause = asyncio.sleep

    async def noted(seconds: float, *_: object) -> None:
        pauses.append(seconds)
        await pause(0)

    app = toy_app(failed_keys_per_minute=1)
    assert ask(app, "GET", PATH, headers=bearer("guess")).status_code == 401
    monkeypatch.setattr(key_lookups.asyncio, "sleep", noted)
    for _ in range(2):
        answer = ask(app, "GET", PATH, headers=bearer("guess"))
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["type"] == "urn:rapport:problem:too-many-requests"
    waited = [seconds for seconds in pauses if seconds]
    assert len(waited) == 1
    assert 0 < waited[0] <= key_lookups.TURN_SECONDS


def test_the_line_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lookups, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(key_lookups, "LINE", 3)
    keys = CountedKeys()
    statuses, _ = ask_at_once(keys, [f"guess-{number}" for number in range(LIMIT + 50)], "guess")
    assert statuses == {401: LIMIT, 429: 50}
    assert max(keys.questions) <= 3


def test_one_key_from_many_requests_is_looked_up_once() -> None:
    """As when a key that many processes use was revoked a moment ago."""
    keys = CountedKeys()
    statuses, late = ask_at_once(keys, ["revoked"] * 500, "revoked")
    assert statuses == {401: 500}
    assert late == 401
    assert keys.questions == [1]


@pytest.mark.usefixtures("hasty")
def test_good_keys_pass_from_an_address_that_guesses() -> None:
    app = toy_app(failed_keys_per_minute=5)
    assert ask(app, "GET", PATH, headers=bearer("practice")).status_code == 200
    answers = [ask(app, "GET", PATH, headers=bearer(f"guess-{number}")) for number in range(8)]
    assert [one.status_code for one in answers] == [401] * 5 + [429] * 3
    for key in ("practice", "reader"):  # seen before, and never seen from here
        assert ask(app, "GET", PATH, headers=bearer(key)).status_code == 200
