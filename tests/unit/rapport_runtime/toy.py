"""A toy service behind the real runtime: one practice route, one operator route, one list."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.auth import require, require_operator, require_practice
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.probes import Check
from rapport_runtime.http.problems import Conflict, NotFound, responses

PRACTICE = {"Authorization": "Bearer practice"}
OPERATOR = {"Authorization": "Bearer operator"}
READER = {"Authorization": "Bearer reader"}
CANARY = "zhang.wei-canary@example.net"


class Things(BaseModel):
    """A body with a list inside, for pointers."""

    title: str
    amount_minor: int = Field(ge=0, le=10**12)
    parts: list["Part"] = Field(default_factory=list)
    anything: Any = None


class Part(BaseModel):
    """An inner body."""

    size: int


@dataclass
class FakeKeys:
    """Three keys by name; counts its calls."""

    holders: Mapping[str, Principal] = field(
        default_factory=lambda: {
            "practice": Principal("k1", "north", frozenset({"things:read", "things:write"})),
            "reader": Principal("k2", "north", frozenset({"things:read"})),
            "operator": Principal("k3", None, frozenset({"things:write", "status:read"})),
        }
    )

    def verify(self, raw_key: str) -> Principal | None:
        """The holder by the key's text."""
        return self.holders.get(raw_key)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """The holders by the keys' texts."""
        return {key: self.holders[key] for key in raw_keys if key in self.holders}


class ThingExists(Conflict):
    """A service's own problem."""

    slug, title = "thing-exists", "There is such a thing already"


router = APIRouter(prefix="/v1", tags=["things"])
Writer = Annotated[Principal, Depends(require_practice("things:write"))]


@router.post("/things", status_code=201, responses=responses(ThingExists))
def add(things: Things, principal: Writer) -> dict[str, str]:
    """Accept a thing."""
    if things.title == "double":
        raise ThingExists("double")
    return {"practice": principal.practice}


@router.post("/raw")
async def raw(principal: Writer) -> dict[str, str]:
    """Take no body."""
    return {"practice": principal.practice}


@router.get("/things/{thing_id}", responses=responses(NotFound))
def one(thing_id: str, _principal: Annotated[Principal, Depends(require("things:read"))]) -> str:
    """Fail in the ways that a route may fail."""
    if thing_id == "boom":
        raise RuntimeError(f"failed for {CANARY}")
    raise NotFound("no such thing")


@router.get("/numbers", dependencies=[Depends(require("things:read"))])
def numbers(page: PageQuery, least: int = 0) -> Page[int]:
    """The numbers 0 to 249, in pages."""
    start = least if page.after is None else int(page.after[0]) + 1
    rows = list(range(start, min(250, start + page.fetch)))
    return page.page(rows, key=lambda number: (number,))


@router.get("/operators")
def operators(_principal: Annotated[Principal, Depends(require_operator("status:read"))]) -> str:
    """For operators only."""
    return "seen"


def toy_service(**changes: Any) -> Service:
    """The toy's description, with changes."""
    known: dict[str, Any] = {
        "title": "Toy",
        "version": "1",
        "description": "A toy.",
        "keys": FakeKeys(),
        "cursor_key": b"k" * 32,
    }
    return Service(**(known | changes))


def toy_app(checks: Mapping[str, Check] | None = None, **changes: Any) -> FastAPI:
    """The toy's app."""
    return create_app(toy_service(checks=checks or {}, **changes), [router])


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """What a refusal says; it must be a whole problem of that status and type."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:rapport:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body
