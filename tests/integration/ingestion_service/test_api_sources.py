"""Sources over REST: a practice declares and lists its own."""

from collections.abc import Callable

import httpx
import pytest

Call = Callable[..., httpx.Response]
pytestmark = pytest.mark.integration
DESK = {"title": "Desk", "kind": "booking"}
LEFT_OUT = {
    "client_key": "opaque",
    "creates_clients": True,
    "zone": None,
    "currency": None,
    "fixed": False,
}


def test_a_practice_declares_its_sources_and_lists_them(call: Call) -> None:
    made = call("PUT", "/v1/sources/desk", json=DESK)
    assert (made.status_code, made.json()) == (
        201,
        {"source": "desk", "namespace": "desk", **DESK, **LEFT_OUT},
    )
    till = {**DESK, "namespace": "desk", "currency": "CNY"}
    assert call("PUT", "/v1/sources/https://till.example/1", json=till).status_code == 201
    renamed = call("PUT", "/v1/sources/https://till.example/1", json={**DESK, "title": "Till"})
    assert renamed.status_code == 200
    shown = call("GET", "/v1/sources/https://till.example/1").json()
    assert shown == {**renamed.json(), "namespace": "desk", "currency": "CNY", "title": "Till"}
    assert call("GET", "/v1/sources/desk", key="harbour").status_code == 404
    listed = call("GET", "/v1/sources").json()["items"]
    assert [(one["source"], one["declared"]["title"], one["waiting"]) for one in listed] == [
        ("desk", "Desk", 0),
        ("https://till.example/1", "Till", 0),
    ]
    assert call("GET", "/v1/sources", key="harbour").json() == {"items": []}


def test_what_cannot_be_declared_is_refused_by_field(call: Call) -> None:
    call("PUT", "/v1/sources/desk", json=DESK)
    differs = call("PUT", "/v1/sources/till", json={**DESK, "namespace": "desk", "client_key": "x"})
    assert differs.status_code == 422
    differs = call(
        "PUT", "/v1/sources/till", json={**DESK, "namespace": "desk", "creates_clients": False}
    )
    assert (differs.status_code, differs.json()["errors"][0]["pointer"]) == (
        409,
        "/creates_clients",
    )
