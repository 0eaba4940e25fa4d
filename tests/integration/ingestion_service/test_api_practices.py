"""Practices over REST: only an operator registers them, and each field has its range."""

from collections.abc import Callable

import httpx
import pytest

Call = Callable[..., httpx.Response]
pytestmark = pytest.mark.integration


def test_practices_are_the_operators_to_register(call: Call) -> None:
    body = {"name": "Meadow", "zone": "America/New_York", "currency": "USD"}
    assert call("PUT", "/v1/practices/meadow", json=body).status_code == 403
    made = call("PUT", "/v1/practices/meadow", key="operator", json=body)
    unknown = {"region": None, "discreet_name": None, "undeclared_sources": "wait"}
    assert (made.status_code, made.json()) == (201, {"practice_id": "meadow", **body, **unknown})
    renamed = {
        **body,
        "name": "Meadows",
        "region": "US",
        "discreet_name": "The Meadow",
        "undeclared_sources": "accept",
    }
    changed = call("PUT", "/v1/practices/meadow", key="operator", json=renamed)
    assert (changed.status_code, changed.json()) == (200, {"practice_id": "meadow", **renamed})
    of_0_1 = {**body, "name": "Meadows"}
    as_before = call("PUT", "/v1/practices/meadow", key="operator", json=of_0_1)
    assert as_before.json() == {"practice_id": "meadow", **renamed}
    nameless = {**of_0_1, "discreet_name": None}
    deleted = call("PUT", "/v1/practices/meadow", key="operator", json=nameless)
    assert deleted.json() == {"practice_id": "meadow", **renamed, "discreet_name": None}
    moved = {**renamed, "zone": "Asia/Tokyo"}
    there = call("PUT", "/v1/practices/meadow", key="operator", json=moved)
    assert (there.status_code, there.json()["zone"]) == (200, "Asia/Tokyo")
    other_money = {**moved, "currency": "JPY"}
    assert call("PUT", "/v1/practices/meadow", key="operator", json=other_money).status_code == 409
    pages = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = call("GET", "/v1/practices", key="operator", params=params).json()
        pages.append([one["practice_id"] for one in page["items"]])
        cursor = page["next_cursor"]
    assert pages == [["harbour", "lakeside"], ["meadow"]]
    own = call("GET", "/v1/practices", key="meadow").json()["items"]
    assert [one["name"] for one in own] == ["Meadows"]


@pytest.mark.parametrize(
    ("field", "wrong", "way_out"),
    [
        ("zone", "Mars/Olympus", "such as Asia/Shanghai"),
        ("zone", "localtime", "such as Asia/Shanghai"),
        ("zone", "Factory", "such as Asia/Shanghai"),
        ("currency", "QQQ", "such as CNY"),
        ("currency", "XXX", "such as CNY"),
        ("currency", "eur", ""),
        ("region", "usa", ""),
        ("region", "us", ""),
        ("region", "UK", "such as CN"),
        ("name", "Meadow\nClinic", "control character"),
        ("name", "\u200b", "visible character"),
        ("discreet_name", "", ""),
        ("discreet_name", "  ", ""),
        ("discreet_name", "x" * 201, ""),
        ("name", " ", ""),
    ],
)
def test_a_practice_out_of_range_is_refused_by_field(
    call: Call, field: str, wrong: str, way_out: str
) -> None:
    body = {"name": "Meadow", "zone": "America/New_York", "currency": "USD"}
    problem = call("PUT", "/v1/practices/meadow", key="operator", json={**body, field: wrong})
    assert problem.status_code == 422
    [fault] = problem.json()["errors"]
    assert (fault["pointer"], way_out in fault["detail"]) == (f"/{field}", True)
