"""Probes ask the database seldom, however often they are asked, and never wait for requests."""

import asyncio
from threading import Event
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI

from rapport_runtime.http import probes
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import create_app
from rapport_runtime.http.auth import require
from rapport_runtime.http.own_threads import Remembered
from rapport_runtime.http.places import PlaceLimits, Places
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, FakeKeys, toy_app, toy_service

SLOW = 12


class Asked:
    """A check, or a refresh of gauges, that counts how often it is asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.times = 0
        self._fault = fault

    def __call__(self) -> None:
        self.times += 1
        if self._fault is not None:
            raise self._fault


class Clock:
    """Seconds that stand still until they are moved."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_asked_for_anew_when_its_time_is_over() -> None:
    clock, values = Clock(), iter([1, 2])
    remembered = Remembered(lambda: next(values), 5.0, clock)
    assert [remembered(), remembered()] == [1, 1]
    clock.now += 5
    assert remembered() == 2


def test_a_fault_is_remembered_too() -> None:
    clock, fails = Clock(), Asked(ConnectionError())
    remembered = Remembered(fails, 5.0, clock)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            remembered()
    assert fails.times == 1


@pytest.mark.parametrize("fault", [None, ConnectionError("away")])
def test_however_often_probes_are_asked_the_database_is_asked_once(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("READY_SECONDS", "GAUGES_SECONDS"):
        monkeypatch.setattr(probes, name, 3_600.0)
    ready, gauges = Asked(fault), Asked(fault)
    app = toy_app(checks={"database": ready}, refresh=[gauges])
    for _ in range(5):
        assert ask(app, "GET", "/readyz").status_code == (503 if fault else 200)
        assert ask(app, "GET", "/metrics").status_code == 200
    assert (ready.times, gauges.times) == (1, 1)


class SlowApp:
    """The toy with a route that takes as long as the test wants; `held` requests get that far."""

    def __init__(self, *, held: int) -> None:
        self._held = held
        self.begun: list[str] = []
        self.let_go = Event()
        router = APIRouter(prefix="/v1", tags=["things"])

        @router.get("/slow")
        def slow(principal: Annotated[Principal, Depends(require("things:write"))]) -> str:
            """Wait for the test."""
            self.begun.append(principal.holder)
            self.let_go.wait(60)
            return "done"

        @router.get("/short")
        def short(_principal: Annotated[Principal, Depends(require("things:write"))]) -> str:
            """Answer at once."""
            return "done"

        service = toy_service(places=PlaceLimits(places=10, wait_seconds=0))
        self.app: FastAPI = create_app(service, [router])

    async def ask_beside_slow_requests(self, path: str, headers: dict[str, str]) -> int:
        """The status of a request while a practice has a dozen slow ones under way or in line."""
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
            slow = [
                asyncio.create_task(client.get("/v1/slow", headers=PRACTICE)) for _ in range(SLOW)
            ]
            try:
                while len(self.begun) < self._held:
                    await asyncio.sleep(0)
                return (await client.get(path, headers=headers)).status_code
            finally:
                self.let_go.set()
                self.statuses = [(await one).status_code for one in slow]


def beside(path: str, headers: dict[str, str], *, held: int) -> tuple[int, list[int]]:
    """The status of a request beside slow ones, of which so many hold places, and theirs in the
    end."""
    made = SlowApp(held=held)
    status = asyncio.run(made.ask_beside_slow_requests(path, headers))
    return status, sorted(made.statuses)


def test_a_practice_with_slow_requests_keeps_no_other_waiting() -> None:
    status, slow = beside("/v1/short", OPERATOR, held=5)
    assert status == 200
    assert slow == [200] * 5 + [429] * 7


def test_without_shares_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Places, "_may_take", lambda self, _holder: self._free > 0)
    status, _ = beside("/v1/short", OPERATOR, held=10)
    assert status == 503


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_need_no_place(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Places, "_may_take", lambda self, _holder: self._free > 0)
    status, _ = beside(path, {}, held=10)
    assert status == 200


def test_an_answer_gives_its_place_back_whatever_it_was() -> None:
    app = toy_app(keys=FakeKeys())
    ask(app, "GET", "/v1/things/boom", headers={"Authorization": "Bearer reader"})
    ask(app, "GET", "/v1/things/none", headers=PRACTICE)
    ask(app, "HEAD", "/v1/numbers", headers=PRACTICE)
    ask(app, "POST", "/v1/things", headers=PRACTICE, json={"title": "double", "amount_minor": 1})
    assert (app.state.places._free, app.state.places._held) == (10, {})
