"""Who may call which route: nobody by accident, and no app with an open route starts."""

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket

from rapport_runtime.http.app import UnguardedRoute, create_app
from rapport_runtime.http.auth import require
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import (
    OPERATOR,
    PRACTICE,
    READER,
    problem,
    router,
    toy_app,
    toy_service,
)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        pytest.param({}, "/v1/numbers", 401, id="no key"),
        pytest.param({"Authorization": "Basic eDp5"}, "/v1/numbers", 401, id="other scheme"),
        pytest.param({"Authorization": "Bearer nobody"}, "/v1/numbers", 401, id="unknown key"),
        pytest.param({"Authorization": "Bearer "}, "/v1/numbers", 401, id="empty key"),
        pytest.param({"Authorization": "Bearer \xff"}, "/v1/numbers", 401, id="not ASCII"),
        pytest.param(READER, "/v1/numbers", 200, id="the scope suffices"),
        pytest.param({"Authorization": "bearer  reader "}, "/v1/numbers", 200, id="other case"),
        pytest.param(OPERATOR, "/v1/numbers", 403, id="an operator without the scope"),
        pytest.param(PRACTICE, "/v1/operators", 403, id="a practice at an operator's route"),
        pytest.param(OPERATOR, "/v1/operators", 200, id="an operator"),
    ],
)
def test_who_may(app: FastAPI, headers: dict[str, str], path: str, status: int) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = ask(app, "GET", path, headers=raw)
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_missing_scope_is_named(app: FastAPI) -> None:
    body = {"title": "a", "amount_minor": 1}
    response = ask(app, "POST", "/v1/things", headers=READER, json=body)
    assert "things:write" in problem(response, 403, "forbidden")["detail"]
    response = ask(app, "POST", "/v1/things", headers=OPERATOR, json=body)
    assert "practice" in problem(response, 403, "forbidden")["detail"]


def test_every_documented_route_is_closed_without_a_key(app: FastAPI) -> None:
    document = ask(app, "GET", "/openapi.json").json()
    requests = 0
    for path, operations in document["paths"].items():
        for method in operations:
            sent: dict[str, Any] = {"json": {"title": "a", "amount_minor": 1}}
            assert ask(app, method.upper(), path, **sent).status_code == 401, path
            requests += 1
    assert requests == 5


def _open_route() -> APIRouter:
    open_router = APIRouter()

    @open_router.get("/open")
    def page() -> str:
        return "open"

    return open_router


def _nested_open_route() -> APIRouter:
    outer = APIRouter(prefix="/outer")
    outer.include_router(router)
    outer.include_router(_open_route())
    return outer


def _websocket() -> APIRouter:
    sockets = APIRouter(dependencies=[Depends(require("things:read"))])

    @sockets.websocket("/socket")
    async def page(socket: WebSocket) -> None:
        await socket.accept()

    return sockets


def _mount() -> APIRouter:
    mounted = APIRouter(dependencies=[Depends(require("things:read"))])
    mounted.mount("/under", FastAPI())
    return mounted


@pytest.mark.parametrize("make", [_open_route, _nested_open_route, _websocket, _mount])
def test_an_app_with_an_unguarded_route_does_not_start(make: Any) -> None:
    with pytest.raises(UnguardedRoute):
        create_app(toy_service(), [router, make()])


def test_a_guard_on_the_router_closes_its_routes() -> None:
    outer = APIRouter(dependencies=[Depends(require("things:read"))])
    outer.include_router(_open_route())
    guarded = create_app(toy_service(), [outer])
    assert ask(guarded, "GET", "/open").status_code == 401
    assert ask(guarded, "GET", "/open", headers=READER).status_code == 200
