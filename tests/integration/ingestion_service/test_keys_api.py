"""Keys by REST, on a real database as the API's role: made, listed, rotated, revoked."""

from collections.abc import Iterator
from typing import Any

import pytest

from rapport_devkit.postgres import Postgres
from tests.support.access_matrix.ingestion import ingestion
from tests.support.access_matrix.world import PRACTICE, ApiWorld, make_key

pytestmark = pytest.mark.integration
BODY = {"practice_id": PRACTICE, "scopes": ["events:write", "clients:read"], "label": "till"}


@pytest.fixture(scope="module")
def world(postgres: Postgres) -> Iterator[ApiWorld]:
    with ingestion(postgres.url()) as made:
        yield made


def ask(world: ApiWorld, method: str, path: str, status: int, **more: Any) -> Any:
    """As the operator; the answer's body, after its status was looked at."""
    answer = world.call(method, path, world.keys["operator"], **more)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def make(world: ApiWorld, **changes: Any) -> Any:
    return ask(world, "POST", "/v1/keys", 201, json=BODY | changes)


def me(world: ApiWorld, key: str) -> Any:
    answer = world.call("GET", "/v1/me", key)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_a_key_that_was_made_is_what_was_asked_for(world: ApiWorld) -> None:
    made = make(world, valid_days=30)
    assert me(world, made["key"]) == {
        "key_id": made["key_id"],
        "holder": "practice",
        "practice_id": PRACTICE,
        "scopes": ["clients:read", "events:write"],
        "label": "till",
        "expires_at": made["expires_at"],
    }
    assert world.call("GET", "/v1/clients", made["key"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scopes": ["events:wriet"]}, "events:write"),
        ({"scopes": ["status:read"]}, "operators' keys alone"),
        ({"practice_id": None}, "practices' keys alone"),
        ({"scopes": []}, "/scopes"),
        ({"valid_days": 0}, "/valid_days"),
        ({"label": "a\nb"}, "/label"),
    ],
)
def test_a_key_that_would_never_work_is_not_made(
    world: ApiWorld, changes: dict[str, Any], said: str
) -> None:
    answer = world.call("POST", "/v1/keys", world.keys["operator"], json=BODY | changes)
    assert answer.status_code == 422
    assert said in answer.text


def test_that_a_key_is_an_operators_must_be_said(world: ApiWorld) -> None:
    body = {"scopes": ["dead-letters:read"]}
    answer = world.call("POST", "/v1/keys", world.keys["operator"], json=body)
    assert answer.status_code == 422
    assert "/practice_id" in answer.text


def test_the_list_has_every_key_and_no_secret(world: ApiWorld) -> None:
    made = [make(world) for _ in range(3)]
    me(world, made[0]["key"])
    listed: dict[str, Any] = {}
    path = "/v1/keys?limit=2"
    while path:
        page = ask(world, "GET", path, 200)
        assert made[0]["key"].split("_", 2)[2] not in str(page)
        listed |= {item["key_id"]: item for item in page["items"]}
        following = page["next_cursor"]
        path = f"/v1/keys?limit=2&cursor={following}" if following else ""
    assert {one["key_id"] for one in made} < listed.keys()
    assert {item["label"] for item in listed.values()} >= {"till", ""}
    assert listed[made[0]["key_id"]]["last_used_at"] is not None
    assert listed[made[1]["key_id"]]["last_used_at"] is None


def test_rotation(world: ApiWorld) -> None:
    old = make(world)
    new = ask(world, "POST", f"/v1/keys/{old['key_id']}/rotate", 201, json={})
    assert new["key_id"] != old["key_id"]
    assert me(world, old["key"])["expires_at"] is not None
    assert me(world, new["key"]) | {"key_id": ""} == me(world, old["key"]) | {
        "key_id": "",
        "expires_at": None,
    }


def test_a_key_that_is_rotated_at_once_ends_at_once(world: ApiWorld) -> None:
    old = make(world)
    ask(world, "POST", f"/v1/keys/{old['key_id']}/rotate", 201, json={"old_ends_in_hours": 0})
    assert me(world, old["key"]) == 401
    ask(world, "POST", f"/v1/keys/{old['key_id']}/rotate", 404, json={})


@pytest.mark.parametrize("hours", [False, "24", 1.5, -1])
def test_what_is_no_number_of_hours_ends_no_key(world: ApiWorld, hours: object) -> None:
    old = make(world)
    body = {"old_ends_in_hours": hours}
    ask(world, "POST", f"/v1/keys/{old['key_id']}/rotate", 422, json=body)
    assert me(world, old["key"])["expires_at"] is None


def test_a_revoked_key_ends_and_stays_listed(world: ApiWorld) -> None:
    made = make(world)
    for _ in range(2):
        ask(world, "DELETE", f"/v1/keys/{made['key_id']}", 204)
    assert me(world, made["key"]) == 401
    ask(world, "DELETE", f"/v1/keys/{'0' * 16}", 404)
    page = ask(world, "GET", "/v1/keys?limit=1000", 200)
    listed = {item["key_id"]: item for item in page["items"]}
    assert listed[made["key_id"]]["revoked_at"]


def test_a_practices_key_manages_none(world: ApiWorld) -> None:
    """Not even one that has the scope all the same, as no door gives it."""
    admin = make_key(world.urls, PRACTICE, ["admin"])
    made = make(world)["key_id"]
    for key in (world.keys["practice"], admin):
        for method, path, body in (
            ("POST", "/v1/keys", BODY | {"practice_id": None, "scopes": ["admin"]}),
            ("GET", "/v1/keys", None),
            ("POST", f"/v1/keys/{made}/rotate", {}),
            ("DELETE", f"/v1/keys/{made}", None),
        ):
            assert world.call(method, path, key, json=body).status_code == 403


def test_the_audit_names_the_key_that_acted(world: ApiWorld) -> None:
    made = make(world)
    path = f"/v1/keys/{made['key_id']}"
    ask(world, "POST", f"{path}/rotate", 201, json={})
    ask(world, "DELETE", path, 204)
    actor = f"key {me(world, world.keys['operator'])['key_id']}"
    page = ask(world, "GET", "/v1/audit?limit=1000", 200)
    acts = [item for item in page["items"] if item["subject"] == made["key_id"]]
    assert [(act["who"], act["action"], act["kind"]) for act in acts] == [
        (actor, "create", "key"),
        (actor, "rotate", "key"),
        (actor, "revoke", "key"),
    ]
