"""A route that reads its request straight away answers as one that FastAPI reads for it."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Response

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import create_app
from rapport_runtime.http.auth import require, require_practice
from rapport_runtime.http.fast.direct_route import DirectRoute
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, READER, toy_service

Reader = Annotated[Principal, Depends(require_practice("things:read"))]
KINDS = ("direct", "plain")
Number = Annotated[int, Path(ge=1, description="Which.")]


async def one(
    number: Number,
    letter: Annotated[str, Path(pattern="^[a-z]$")],
    principal: Reader,
    least: Annotated[int | None, Query(ge=2)] = None,
) -> Any:
    """One of them."""
    return Response(f'{{"{letter}": {number}, "of": "{principal.practice}", "least": "{least}"}}')


def routed(path: str, endpoint: Callable[..., Any], **more: Any) -> APIRouter:
    """A router with one direct route."""
    router = APIRouter(tags=["direct"])
    router.add_api_route(path, endpoint, route_class_override=DirectRoute, **more)
    return router


@pytest.fixture(scope="module")
def app() -> FastAPI:
    plain = APIRouter(tags=["plain"])
    plain.add_api_route("/plain/{number}/{letter}", one)
    return create_app(toy_service(), [routed("/direct/{number}/{letter}", one), plain])


@pytest.mark.parametrize(
    "rest",
    [
        *("1/a", "0/a", "1/A", "x/A", "%31/%61", "1/a?more=1"),
        *("1/a?least=2", "1/a?least=1", "x/A?least=", "1/a?least=2&least=3"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [{}, PRACTICE, READER, OPERATOR, {"Authorization": "Bearer rk_unknown"}],
    ids=["no key", "practice", "reader", "operator", "unknown"],
)
def test_it_answers_as_any_other(app: FastAPI, headers: dict[str, str], rest: str) -> None:
    same = headers | {"X-Request-ID": "r1"}
    direct, plain = (ask(app, "GET", f"/{kind}/{rest}", headers=same) for kind in KINDS)
    assert (direct.status_code, direct.content) == (plain.status_code, plain.content)
    assert dict(direct.headers) == dict(plain.headers)


def test_the_cases_above_differ(app: FastAPI) -> None:
    requests = [
        *(("1/a", PRACTICE), ("0/a", PRACTICE), ("1/a", OPERATOR), ("1/a", {})),
        *(("1/a?least=2", PRACTICE), ("1/a?least=1", PRACTICE)),
    ]
    statuses = [
        ask(app, "GET", f"/direct/{rest}", headers=headers).status_code
        for rest, headers in requests
    ]
    assert statuses == [200, 422, 403, 401, 200, 422]


def test_it_is_documented_as_any_other(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    direct, plain = (json.dumps(paths[f"/{kind}/{{number}}/{{letter}}"]) for kind in KINDS)
    assert direct.replace("direct", "plain").replace("Direct", "Plain") == plain


async def asks_more(number: int, principal: Reader, least: int) -> Any:
    """A query parameter that must be there."""


async def asks_the_header(number: int, principal: Reader, least: Annotated[int, Header()]) -> Any:
    """A header."""


async def asks_twice(
    number: int, principal: Reader, other: Annotated[Principal, Depends(require("things:read"))]
) -> Any:
    """Two guards."""


async def asks_something(number: int, principal: Annotated[int, Depends(lambda: 1)]) -> Any:
    """No guard."""


async def asks_nobody(number: int) -> Any:
    """No principal."""


@pytest.mark.parametrize(
    "endpoint", [asks_more, asks_the_header, asks_twice, asks_something, asks_nobody]
)
def test_a_route_that_needs_more_is_refused(endpoint: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="/things/"):
        routed("/things/{number}", endpoint)


def test_a_guard_whose_principal_nobody_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="principal"):
        routed("/things/{number}", asks_nobody, dependencies=[Depends(require("things:read"))])
