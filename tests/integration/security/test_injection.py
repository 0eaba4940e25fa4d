"""Hostile texts in every text of every request are data or are refused, never code (S4, S6)."""

import gzip
import io
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx
import psycopg
import pytest

from tests.support.access_matrix.bodies import body_of, replaced, texts_in
from tests.support.access_matrix.document import Operation
from tests.support.access_matrix.world import ApiWorld

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
MARK = "q7Zx"
"""What each payload holds, so that an echo of it can be recognised."""
PAYLOADS = (
    f"'; DROP TABLE api_key; --{MARK}",
    f"{MARK}' UNION SELECT secret_hash::text FROM api_key --",  # noqa: S608 - meant so
    f"{MARK}$$; SELECT pg_sleep(600); $$",
    f"%{MARK}%s%(id)s:id\\",
    f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{MARK}",
    f"{{% raw %}}{MARK}${{jndi:ldap://127.0.0.1:9/x}}",
    f"{MARK}\r\nBcc: a@practice.com\r\n\r\nbody",
    f'{MARK}\n{{"action":"forged","level":"critical"}}\n',
    f"=cmd|' /C calc'!A0{MARK}",
    f"/../../~1~0#/{MARK}",
    f"<script>alert(1)</script>{MARK}",
    f"{MARK}\u202e\u200b\x1b[31m\x07",
)
YEARS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00", "1969-12-31T23:59:59Z")
_FORMS = ("json", "html")


def requests_with(world: ApiWorld, operation: Operation, payload: str) -> Iterator[httpx.Response]:
    """The operation with the payload in each of its texts, one at a time."""
    key, path = world.key_for(operation), world.path(operation)
    body = body_of(operation, world.app.openapi()) if operation.has_body else None
    good = {} if body is None else {"json": body}
    for name in operation.parameters("path"):
        found = operation.address(**{name: quote(payload, safe="")})
        yield world.call(operation.method, found, key, **good)
    for name in operation.parameters("query"):
        yield world.call(operation.method, f"{path}?{urlencode({name: payload})}", key, **good)
    for place in texts_in(body):
        changed = replaced(body, place, payload)
        yield world.call(operation.method, path, key, json=changed)


def test_no_text_of_any_request_is_code(world: ApiWorld, log: io.StringIO) -> None:
    before, requests = tables(world), 0
    for operation in world.operations:
        for payload in PAYLOADS:
            for response in requests_with(world, operation, payload):
                requests += 1
                assert response.status_code < 500, (operation.label, payload, response.text)
                kind = response.headers.get("content-type", "")
                assert response.status_code == 204 or any(form in kind for form in _FORMS)
                if response.status_code >= 400:
                    assert MARK not in response.text, (operation.label, payload)
                    assert kind == "application/problem+json"
    assert requests > len(PAYLOADS)
    assert tables(world) == before
    assert_one_json_a_line(log.getvalue(), requests)


def test_what_is_said_in_headers_forges_no_line(world: ApiWorld, log: io.StringIO) -> None:
    path = world.path(world.operations[0])
    for payload in PAYLOADS:
        header = payload.encode("ascii", "ignore").replace(b"\r", b"").replace(b"\n", b"")
        headers = {"X-Request-ID": header, "User-Agent": header, "X-Forwarded-For": header}
        response = world.call("GET", path, header.decode(), headers=headers)
        assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
    assert_one_json_a_line(log.getvalue(), len(PAYLOADS))


def assert_one_json_a_line(text: str, requests: int) -> None:
    lines = [json.loads(line) for line in text.splitlines()]
    assert sum(line["action"] == "request_answered" for line in lines) == requests
    assert not [line for line in lines if line["action"] == "forged"]
    assert MARK not in text


def tables(world: ApiWorld) -> dict[str, int]:
    """The tables that there are, and how many keys are known that no payload has named."""
    with psycopg.connect(world.urls.owner_url) as owner:
        names = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {str(name): 0 for (name,) in names}
        kept = "SELECT count(*) FROM api_key WHERE label NOT LIKE %s"
        row = owner.execute(kept, [f"%{MARK}%"]).fetchone()
    assert row is not None
    return found | {"api_key": int(row[0])}


def test_every_body_is_measured_before_it_is_read(world: ApiWorld) -> None:
    """Too large, a bomb, too many keys, too deep, a key twice: refused by every operation."""
    many = json.dumps({f"k{number}": 1 for number in range(60_000)}).encode()
    bodies = {
        b'{"a": "' + b"a" * (1024 * 1024) + b'"}': 413,
        b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}": 413,
        b"[" * 10_000 + b"]" * 10_000: 400,
        b'{"a": 1, "a": 2}': 400,
    }
    for operation in (one for one in world.operations if one.has_body):
        for body, status in bodies.items():
            assert _sent(world, operation, body).status_code == status, operation.label
        bomb = _sent(world, operation, gzip.compress(b"0" * 10**7), {"Content-Encoding": "gzip"})
        assert bomb.status_code == 415, operation.label
        assert _sent(world, operation, many).status_code in {207, 400, 422}, operation.label


def test_no_year_of_the_calendar_is_too_much(world: ApiWorld) -> None:
    for operation in (one for one in world.operations if one.has_body):
        body = body_of(operation, world.app.openapi())
        for place in texts_in(body):
            for moment in YEARS:
                changed = json.dumps(replaced(body, place, moment)).encode()
                assert _sent(world, operation, changed).status_code < 500, (operation.label, place)


def _sent(
    world: ApiWorld, operation: Operation, body: bytes, headers: dict[str, str] | None = None
) -> httpx.Response:
    more = {"Content-Type": "application/json"} | (headers or {})
    key = world.key_for(operation)
    return world.call(operation.method, world.path(operation), key, content=body, headers=more)
