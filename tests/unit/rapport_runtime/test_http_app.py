"""The app says no in one way, lets nobody in by accident, and leaks nothing."""

import asyncio
import json
import logging
from io import StringIO
from typing import Any
from unittest import mock

import psycopg
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from sqlalchemy.exc import IntegrityError, OperationalError

from rapport_runtime import logs
from rapport_runtime.http.app import create_app
from rapport_runtime.http.auth import require
from rapport_runtime.http.errors import MOST_FIELD_ERRORS
from tests.support.access_matrix.world import running
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import (
    CANARY,
    PRACTICE,
    READER,
    problem,
    toy_app,
    toy_service,
)

JSON = {"Content-Type": "application/json"} | PRACTICE


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


def test_a_good_request_is_answered_with_safe_headers(app: FastAPI) -> None:
    response = ask(
        app, "POST", "/v1/things", headers=PRACTICE, json={"title": "心理咨询😀", "amount_minor": 1}
    )
    assert response.status_code == 201
    assert response.json() == {"practice": "north"}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_a_sane_request_id_is_echoed(app: FastAPI) -> None:
    response = ask(app, "GET", "/healthz", headers={"X-Request-ID": "order-7:a.b_c"})
    assert response.headers["x-request-id"] == "order-7:a.b_c"


def test_a_route_cannot_say_another_request_id() -> None:
    own = APIRouter(dependencies=[Depends(require("things:read"))])
    own.add_api_route("/own", lambda: Response(headers={"X-Request-ID": "theirs"}))
    headers_sent = PRACTICE | {"X-Request-ID": "ours"}
    response = ask(create_app(toy_service(), [own]), "GET", "/own", headers=headers_sent)
    assert response.headers.get_list("x-request-id") == ["ours"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("x" * 65, id="long"),
        pytest.param("a b", id="with a space"),
        pytest.param('"}', id="forging a log line"),
        pytest.param("", id="empty"),
    ],
)
def test_an_insane_request_id_is_replaced(app: FastAPI, sent: str) -> None:
    response = ask(app, "GET", "/healthz", headers={"X-Request-ID": sent})
    assert len(response.headers["x-request-id"]) == 32


def test_unknown_path_and_method(app: FastAPI) -> None:
    problem(ask(app, "GET", "/nothing"), 404, "not-found")
    response = ask(app, "DELETE", "/v1/things", headers=PRACTICE)
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


def test_of_very_many_faults_the_first_are_listed_and_all_are_counted(app: FastAPI) -> None:
    body = {"title": "a", "amount_minor": 1, "parts": [{"size": "x"}] * 300}
    answer = problem(
        ask(app, "POST", "/v1/things", headers=PRACTICE, json=body), 422, "invalid-request"
    )
    assert answer["detail"] == f"300 found; the first {MOST_FIELD_ERRORS} are listed"
    assert len(answer["errors"]) == MOST_FIELD_ERRORS


def test_an_invalid_body_is_told_by_pointer_and_without_the_value(app: FastAPI) -> None:
    body = {"title": 5, "amount_minor": -1, "parts": [{"size": 1}, {"size": CANARY}]}
    response = ask(app, "POST", "/v1/things", headers=PRACTICE, json=body)
    answer = problem(response, 422, "invalid-request")
    assert {error["pointer"] for error in answer["errors"]} == {
        "/title",
        "/amount_minor",
        "/parts/1/size",
    }
    assert all(error["location"] == "body" and error["detail"] for error in answer["errors"])
    assert {error["reason"] for error in answer["errors"]} == {
        "string-type",
        "greater-than-equal",
        "int-parsing",
    }
    assert not any("parameter" in error for error in answer["errors"])
    assert CANARY not in response.text


def test_an_invalid_query_is_told_by_name(app: FastAPI) -> None:
    response = ask(app, "GET", "/v1/numbers?limit=0", headers=PRACTICE)
    answer = problem(response, 422, "invalid-request")
    assert [(e["location"], e["parameter"]) for e in answer["errors"]] == [("query", "limit")]
    assert "pointer" not in answer["errors"][0]


BAD_BODIES = [
    pytest.param(b"{", "not JSON", id="cut off"),
    pytest.param(b'{"title": NaN}', "NaN is not JSON", id="NaN"),
    pytest.param(b'{"title": -Infinity}', "-Infinity is not JSON", id="infinity"),
    pytest.param(b'{"amount_minor": 1e999}', "range of a double", id="a float too large"),
    pytest.param(b'{"amount_minor": ' + b"9" * 5000 + b"}", "too long", id="5,000 digits"),
    pytest.param(b'{"title": "\xff"}', "not UTF-8 at byte 11", id="bad UTF-8"),
    pytest.param('{"title": "a"}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
    pytest.param(b'\xef\xbb\xbf{"title": "a"}', "not JSON", id="byte order mark"),
    pytest.param(rb'{"title": "a\u0000"}', "U+0000", id="escaped U+0000"),
    pytest.param(rb'{"a\u0000": 1}', "U+0000", id="U+0000 in a key"),
    pytest.param(rb'{"title": "\ud800"}', "surrogate", id="lone high surrogate"),
    pytest.param(rb'{"anything": [{"x": "\udfff!"}]}', "surrogate", id="lone low surrogate"),
    pytest.param(b'{"title": "a", "title": "b"}', "same key twice", id="duplicate key"),
    pytest.param(b"[" * 10_000 + b"]" * 10_000, "deeper than 32", id="10,000 deep list"),
    pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than 32", id="10,000 deep"),
    pytest.param(b"[" * 34 + b"]" * 34, "deeper than 32", id="34 deep"),
]


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES)
def test_a_body_that_is_not_our_json(app: FastAPI, body: bytes, reason: str) -> None:
    answer = problem(
        ask(app, "POST", "/v1/things", headers=JSON, content=body), 400, "malformed-json"
    )
    assert reason in answer["detail"]


def test_thirty_two_levels_and_surrogate_pairs_are_fine(app: FastAPI) -> None:
    deep = b'{"title": "\\ud83d\\ude00", "amount_minor": 1, "anything": '
    body = deep + b"[" * 31 + b"]" * 31 + b"}"
    assert ask(app, "POST", "/v1/things", headers=JSON, content=body).status_code == 201


@pytest.mark.parametrize(
    "kind",
    ["application/cloudevents+json", "application/json; charset=utf-8", "Application/JSON"],
)
def test_every_spelling_of_json_is_checked(app: FastAPI, kind: str) -> None:
    response = ask(
        app, "POST", "/v1/raw", headers=PRACTICE | {"Content-Type": kind}, content=b"NaN"
    )
    problem(response, 400, "malformed-json")


def test_of_two_content_types_both_sides_take_the_same(app: FastAPI) -> None:
    body = b'{"title": "a", "title": "b", "amount_minor": 1}'
    types = [("Content-Type", kind) for kind in ("application/json", "text/plain")]
    key = list(PRACTICE.items())
    json_first = ask(app, "POST", "/v1/things", headers=[*key, *types], content=body)
    problem(json_first, 400, "malformed-json")
    text_first = ask(app, "POST", "/v1/things", headers=[*key, *reversed(types)], content=body)
    problem(text_first, 415, "unsupported-media-type")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/jsonp", "application/x+jsonp"])
def test_a_body_that_is_not_declared_as_json_is_refused(app: FastAPI, kind: str | None) -> None:
    headers = PRACTICE | ({"Content-Type": kind} if kind else {})
    response = ask(app, "POST", "/v1/things", headers=headers, content=b'{"title": "a"}')
    problem(response, 415, "unsupported-media-type")


def test_no_body_at_all_is_a_matter_of_its_fields(app: FastAPI) -> None:
    problem(ask(app, "POST", "/v1/things", headers=PRACTICE), 422, "invalid-request")


def test_a_declared_large_body_is_refused(app: FastAPI) -> None:
    body = b'{"title": "' + b"a" * 2_000_000 + b'"}'
    problem(ask(app, "POST", "/v1/things", headers=JSON, content=body), 413, "body-too-large")


def test_a_chunked_large_body_is_refused_without_reading_it_to_the_end(app: FastAPI) -> None:
    given = []

    async def chunks() -> Any:
        for number in range(1000):
            given.append(number)
            yield b"a" * 100_000

    response = ask(app, "POST", "/v1/things", headers=JSON, content=chunks())
    problem(response, 413, "body-too-large")
    assert len(given) < 20


def test_a_lying_content_length_does_not_help(app: FastAPI) -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b"a" * 100_000

    headers = JSON | {"Content-Length": "10"}
    response = ask(app, "POST", "/v1/things", headers=headers, content=chunks())
    problem(response, 413, "body-too-large")


def test_a_slow_body_times_out() -> None:
    app = toy_app()
    edge = next(layer for layer in app.user_middleware)
    edge.kwargs["body_seconds"] = 0.05

    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    response = ask(app, "POST", "/v1/things", headers=JSON, content=slow())
    problem(response, 408, "request-timeout")


def test_a_read_that_declares_no_body_is_not_waited_for(app: FastAPI) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(_scope("GET", "/v1/numbers"), receive, send), 30))
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_is_bounded_whatever_the_method(app: FastAPI, method: str) -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b"a" * 100_000

    path = "/v1/numbers" if method == "GET" else "/v1/things"
    for body in (b"a" * 2_000_000, chunks()):
        problem(ask(app, method, path, headers=JSON, content=body), 413, "body-too-large")


def test_nothing_is_told_to_whoever_collects_traces(app: FastAPI) -> None:
    with mock.patch("opentelemetry.trace.get_tracer_provider") as collector:
        assert ask(app, "GET", "/v1/numbers", headers=READER).status_code == 200
    assert not collector.called


def test_a_body_that_ends_with_its_sender_is_not_half_handled() -> None:
    app = toy_app()
    sent: list[Any] = []
    messages = iter(
        [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(_scope("POST", "/v1/raw"), receive, send))
    assert sent[0]["status"] == 400


def _scope(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer practice")],
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
    }


def test_a_compressed_body_is_refused(app: FastAPI) -> None:
    response = ask(
        app, "POST", "/v1/things", headers=JSON | {"Content-Encoding": "gzip"}, content=b"bomb"
    )
    problem(response, 415, "unsupported-media-type")


@pytest.mark.parametrize("path", ["/v1/things/a%00b", "/v1/numbers?least=%00"])
def test_u0000_in_the_address(app: FastAPI, path: str) -> None:
    problem(ask(app, "GET", path, headers=PRACTICE), 400, "bad-request")


@pytest.mark.parametrize("path", ["/v1/things/a%ffb", "/v1/numbers?least=%e5%b9", "/v1/%c0%80"])
def test_an_address_that_is_not_utf_8_is_refused_and_not_read_as_another(
    app: FastAPI, path: str
) -> None:
    answer = problem(ask(app, "GET", path, headers=PRACTICE), 400, "bad-request")
    assert "UTF-8" in answer["detail"]


def test_an_address_in_chinese_is_read(app: FastAPI) -> None:
    answer = ask(app, "GET", "/v1/things/%E9%9D%99%E6%B8%AF", headers=PRACTICE)
    assert answer.status_code == 404


def test_a_business_problem_keeps_its_own_type(app: FastAPI) -> None:
    body = {"title": "double", "amount_minor": 1}
    answer = problem(
        ask(app, "POST", "/v1/things", headers=PRACTICE, json=body), 409, "thing-exists"
    )
    assert answer["detail"] == "double"


def test_a_fault_of_ours_leaks_nothing_and_is_logged_by_place(app: FastAPI) -> None:
    out = StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("toy", "INFO", out)
    try:
        response = ask(app, "GET", "/v1/things/boom", headers=PRACTICE)
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    problem(response, 500, "internal-error")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    failed = next(line for line in lines if line["action"] == "request_failed")
    assert failed["error"] == "RuntimeError"
    assert failed["request_id"] == response.headers["x-request-id"]
    assert any("toy.py" in place for place in failed["trace"])
    answered = next(line for line in lines if line["action"] == "request_answered")
    assert answered["route"] == "/v1/things/{thing_id}"
    assert answered["key_id"] == "k1"
    assert CANARY not in response.text + out.getvalue()
    assert "boom" not in out.getvalue().replace('== "boom"', "")


class _AdminShutdown(psycopg.OperationalError):
    sqlstate = "57P01"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(psycopg.OperationalError("refused"), 503, id="connection refused"),
        pytest.param(
            OperationalError("select", {}, psycopg.OperationalError("gone")), 503, id="wrapped"
        ),
        pytest.param(_AdminShutdown("bye"), 503, id="shut down"),
        pytest.param(
            IntegrityError("insert", {}, psycopg.errors.UniqueViolation(CANARY)), 500, id="ours"
        ),
    ],
)
def test_a_database_that_is_away_is_503(error: Exception, status: int) -> None:
    failing = APIRouter(dependencies=[Depends(require("things:read"))])

    @failing.get("/fails")
    def fails() -> None:
        raise error

    response = ask(create_app(toy_service(), [failing]), "GET", "/fails", headers=PRACTICE)
    assert response.status_code == status
    assert CANARY not in response.text
    assert ("retry-after" in response.headers) is (status == 503)


def test_what_it_opened_is_closed_at_its_end() -> None:
    closed: list[str] = []
    with running(toy_app(closing=[lambda: closed.append("pool")])) as app:
        ask(app, "GET", "/numbers", headers=READER)
        assert closed == []
    assert closed == ["pool"]
