"""Who may do what, for every operation that the documents list (S1, S2); new ones are covered."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from rapport_devkit.postgres import Postgres
from rapport_runtime.database import Database
from rapport_runtime.ops import keys
from tests.support.access_matrix.document import Operation
from tests.support.access_matrix.world import PRACTICE, ApiWorld, make_key
from tests.support.access_matrix.worlds import WORLDS
from tests.support.as_documented import assert_as_documented

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
BODY = {"json": {}}


def guarded(world: ApiWorld) -> list[Operation]:
    return [operation for operation in world.operations if operation.holder != "nobody"]


def status(world: ApiWorld, operation: Operation, key: str | None, query: str = "") -> int:
    """What is answered, which a problem must be when it is a refusal."""
    more = BODY if operation.has_body else {}
    response = world.call(operation.method, world.path(operation) + query, key, **more)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", operation.label
    return response.status_code


def bad_keys(world: ApiWorld) -> Iterator[tuple[str, str | None]]:
    """Each way in which a key may not hold; a caller's own key was good before it was ended."""
    good = world.keys["practice"]
    scopes = sorted({one.scope for one in guarded(world) if one.scope})
    owner = Database(world.urls.owner_url, application_name="test-owner")
    with owner.transaction() as tx:
        expired = keys.create_key(
            tx, practice_id=PRACTICE, scopes=scopes, valid_for=timedelta(days=-1)
        )
        revoked = keys.create_key(tx, practice_id=PRACTICE, scopes=scopes)
        assert keys.revoke_key(tx, revoked.split("_")[1])
    owner.close()
    yield from (
        ("none", None),
        ("empty", ""),
        ("malformed", "rk_nothing"),
        ("another secret", f"{good[:-1]}{'A' if good[-1] != 'A' else 'B'}"),
        ("an unknown id", f"rk_{'0' * 16}_{good.split('_', 2)[2]}"),
        ("unsigned", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcGVyYXRvciJ9."),
        ("injected", "' OR 1=1 --"),
        ("expired", expired),
        ("revoked", revoked),
    )


def test_what_is_refused_by_routes_is_what_the_document_shows(world: ApiWorld) -> None:
    assert_as_documented(world.app)


def test_nobody_without_a_key_that_holds(world: ApiWorld) -> None:
    for what, key in bad_keys(world):
        for operation in guarded(world):
            assert status(world, operation, key) == 401, (what, operation.label)


def test_whoever_is_not_let_in_learns_nothing_of_the_rest(world: ApiWorld) -> None:
    """Not that a cursor is foreign, a parameter wrong, or a body not as it should be."""
    for operation in guarded(world):
        query = "?" + "&".join(f"{name}=%F0%9F%99%88" for name in operation.parameters("query"))
        assert status(world, operation, None, query) == 401, operation.label


def test_another_scheme_than_bearer_lets_nobody_in(world: ApiWorld) -> None:
    for operation in guarded(world):
        headers = {"Authorization": f"Basic {world.keys['practice']}"}
        response = world.call(operation.method, world.path(operation), None, headers=headers)
        assert response.status_code == 401, operation.label


def test_another_services_key_does_not_hold(world: ApiWorld, postgres: Postgres) -> None:
    other = next(name for name in WORLDS if name != world.service)
    with WORLDS[other](postgres.url()) as elsewhere:
        for key in elsewhere.keys.values():
            for operation in guarded(world):
                assert status(world, operation, key) == 401, operation.label


def test_only_the_scope_that_the_document_names_opens_an_operation(world: ApiWorld) -> None:
    """Every key of every holder that lacks just this scope, and the one that has nothing else."""
    every = sorted({one.scope for one in guarded(world) if one.scope})
    for scope in every:
        for practice in (PRACTICE, None):
            without = make_key(world.urls, practice, [*(set(every) - {scope}), "nothing:read"])
            alone = make_key(world.urls, practice, [scope])
            for operation in guarded(world):
                fits = operation.holder in {"anyone", "practice" if practice else "operator"}
                is_open = status(world, operation, alone) not in {401, 403}
                wanted = operation.scope in {scope, None}
                assert is_open == (fits and wanted), operation.label
                if operation.scope == scope:
                    assert status(world, operation, without) == 403, operation.label


NOBODYS = {"client_id": "f" * 32, "message_id": "f" * 32, "letter_id": str(2**40)}
"""Parameters that name a row of one practice, with an id that nobody has."""


def test_another_practices_rows_are_as_rows_that_do_not_exist(world: ApiWorld) -> None:
    """The same status and the same words for a known id as for one that nobody has."""
    reads = [
        operation
        for operation in guarded(world)
        if operation.holder != "operator"
        and not operation.has_body
        and NOBODYS.keys() & operation.parameters("path")
    ]
    assert reads
    for operation in reads:
        ids = {name: NOBODYS[name] for name in operation.parameters("path") if name in NOBODYS}
        paths = (world.path(operation), world.path(operation, **ids))
        answers = [world.call(operation.method, path, world.keys["stranger"]) for path in paths]
        assert [one.status_code for one in answers] == [404, 404], operation.label
        known, unknown = (json.loads(one.text) | {"request_id": ""} for one in answers)
        assert known == unknown, operation.label


def test_writing_for_a_client_of_another_practice_changes_nothing_there(world: ApiWorld) -> None:
    """A stranger may write down a client of that id, as its own: the practice's stays as it was.

    The list of who has read a client's data is left out: it counts what is read here.
    """
    reads = [
        operation
        for operation in guarded(world)
        if operation.method == "GET" and operation.parameters("path")
        if not operation.path.endswith("/reads")
    ]
    before = {one.label: _told(world, one) for one in reads}
    for operation in guarded(world):
        if operation.method != "GET" and operation.holder != "operator":
            body = _example(world, operation)
            more = {"json": body} if operation.has_body else {}
            world.call(operation.method, world.path(operation), world.keys["stranger"], **more)
    assert {one.label: _told(world, one) for one in reads} == before


def _told(world: ApiWorld, operation: Operation) -> str:
    answer = world.call(operation.method, world.path(operation), world.keys["practice"])
    return json.dumps(json.loads(answer.text) | {"request_id": ""}) if _is_json(answer) else ""


def _is_json(answer: object) -> bool:
    return "json" in getattr(answer, "headers", {}).get("content-type", "")


def _example(world: ApiWorld, operation: Operation) -> object:
    """A body that is good by its own words, for the outreach of the first known client."""
    if operation.path.endswith("/contacts"):
        client = world.known["path.client_id"][0]
        contact = {"channel": "email", "address": "a@practice.com", "name": "Ada", "language": "en"}
        return contact if "{" in operation.path else {"items": [contact | {"client_id": client}]}
    return {}
