"""HEAD is answered as GET is, without the body: by apps, by streams, by the probes of workers."""

import asyncio
from collections.abc import AsyncIterator
from threading import Event

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from rapport_runtime.http.app import create_app
from rapport_runtime.http.auth import require
from rapport_runtime.http.probes import serve_probes
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, READER, toy_app, toy_service


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return toy_app()


def test_head_is_answered_as_get_is_without_the_body(app: FastAPI) -> None:
    for path in ("/v1/numbers?limit=3", "/healthz", "/docs", "/nothing", "/v1/numbers?limit=0"):
        got, head = (ask(app, method, path, headers=READER) for method in ("GET", "HEAD"))
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        named = ("content-type", "content-length", "link", "cache-control")
        assert [head.headers.get(name) for name in named] == [
            got.headers.get(name) for name in named
        ], path


def test_head_is_refused_where_get_is(app: FastAPI) -> None:
    response = ask(app, "HEAD", "/v1/things", headers=PRACTICE)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    response = ask(app, "POST", "/v1/numbers", headers=PRACTICE)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


def test_head_of_a_stream_ends_at_once() -> None:
    ended: list[str] = []
    endless = APIRouter(dependencies=[Depends(require("things:read"))])

    @endless.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[ServerSentEvent]:
        try:
            yield ServerSentEvent(comment="begun")
            await asyncio.Event().wait()
        finally:
            ended.append("stream")

    answer = ask(create_app(toy_service(), [endless]), "HEAD", "/stream", headers=READER)
    assert (answer.status_code, answer.content, ended) == (200, b"", ["stream"])
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_worker_answers_head_for_its_probes() -> None:
    stop = Event()
    server = serve_probes(0, {}, stop)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
            for path, status in (("/healthz", 200), ("/metrics", 200), ("/nothing", 404)):
                head, got = client.head(path), client.get(path)
                assert (head.status_code, got.status_code, head.content) == (status, status, b"")
                assert head.headers["content-type"] == got.headers["content-type"]
    finally:
        stop.set()
        server.join()
