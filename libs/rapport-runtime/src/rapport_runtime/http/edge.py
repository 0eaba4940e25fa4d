"""The outermost layer of the app: request ids, limits on bodies, headers, one log line, metrics."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport_runtime.http.auth import holder_of_key
from rapport_runtime.http.errors import unavailable
from rapport_runtime.http.fast.request_line import request_answered
from rapport_runtime.http.fast.request_meters import request_meters
from rapport_runtime.http.media_types import is_json
from rapport_runtime.http.own_threads import OwnThreads
from rapport_runtime.http.problems import (
    BadRequest,
    BodyTooLarge,
    InternalError,
    ProblemError,
    RequestTimedOut,
    UnsupportedMediaType,
)
from rapport_runtime.http.strict_json import check_json
from rapport_runtime.logs import get_logger, request_served

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = REQUEST_ID.lower().encode()
BODY_SECONDS = 10.0
SMALL_BODY_BYTES = 4096
"""So much is read of anybody: it is checked in a millisecond."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READS = frozenset({"GET", "HEAD"})
log = get_logger(__name__)
_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
Prove = Callable[[Request], Awaitable[object]]
Doors = Mapping[str, Prove]
"""The beginning of a path -> how the sender is known there who has no key."""

_NO_DOORS: Doors = MappingProxyType({})
_Headers = Mapping[bytes, bytes]
"""A request's headers by name, in lower case. Of a header that came twice the first counts, as in
the framework: else a body could pass here as one media type and be read there as another."""


class Edge:
    """ASGI middleware that admits only whole, small, well-formed requests.

    A body is read to its end before any route runs: longer than `max_body_bytes` is 413 (declared
    or chunked), slower than `body_seconds` is 408, compressed is 415 (no bombs), and JSON must pass
    `check_json`. One above 4 KiB is read only for a key that holds (401), and checked on a thread,
    one after the other: whoever sends it, the event loop goes on. Behind one of the `doors` another
    proof than a key is asked for, and the body goes on as it came. An exception that no handler
    answered becomes a 500 with the request's id alone; the log has its type and place. HEAD is
    answered as GET is, without the body. `routes` maps endpoints to path templates, for metrics and
    logs: a path as sent may hold ids.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        routes: Mapping[Any, str],
        body_seconds: float = BODY_SECONDS,
        doors: Doors = _NO_DOORS,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._routes = routes
        self._body_seconds = body_seconds
        self._doors = doors
        self._json_thread = OwnThreads("json", 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, method = dict(reversed(scope["headers"])), scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: the server must go on seeing HEAD
        answer = _Answer(send, _request_id(headers), scope, has_body=method != "HEAD")
        started = time.perf_counter()
        before = request_served.set(answer.request_id)
        try:
            body = await self._admit(scope, headers, receive)
            await self._app(scope, _replay(body, receive), answer.send)
        except ProblemError as refused:
            await _refuse(refused, scope, receive, answer)
        except Exception as error:
            away = None if answer.status is not None else unavailable(error)
            if away is None:
                log.exception("request_failed")
            if answer.status is not None:
                raise
            await _refuse(away or InternalError(), scope, receive, answer)
        finally:
            _give_place_back(scope)
            self._count(method, scope, answer, time.perf_counter() - started)
            request_served.reset(before)

    async def _admit(self, scope: Scope, headers: _Headers, receive: Receive) -> bytes:
        _check_address(scope.get("raw_path", b"") + b"?" + scope.get("query_string", b""))
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType("send the body without Content-Encoding")
        declared = headers.get(b"content-length", b"0")
        if scope["method"] in _READS and declared == b"0" and b"transfer-encoding" not in headers:
            return b""  # no body is announced (RFC 9112), so none can be sent slowly
        if declared.isdigit() and int(declared[:20]) > self._max_body_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            raise RequestTimedOut(f"more than {self._body_seconds:g} s") from None
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        if not body or self._door_of(scope) is not None or not is_json(content_type):
            return body
        # FastAPI parses it once more: `strict_json` says why.
        if len(body) > SMALL_BODY_BYTES:
            await self._json_thread.run(check_json, body)
        else:
            check_json(body)
        return body

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        body, is_known = bytearray(), False
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BadRequest("the caller went away before the body's end")
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            if len(body) > SMALL_BODY_BYTES and not is_known:
                prove = self._door_of(scope) or holder_of_key
                await prove(Request(scope))
                is_known = True
            if not message.get("more_body", False):
                return bytes(body)

    def _door_of(self, scope: Scope) -> Prove | None:
        path = scope["path"]
        return next((self._doors[each] for each in self._doors if path.startswith(each)), None)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"at most {self._max_body_bytes} bytes", headers={"Connection": "close"}
        )

    def _count(self, method: str, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route = self._routes.get(scope.get("endpoint"), "unmatched")
        method = method if method in _METHODS else "OTHER"
        meters = request_meters(method, route, str(answer.status or 499))
        meters.increment()
        meters.observe(seconds)
        principal = scope.get("state", {}).get("principal")
        request_answered(
            method=method,
            route=route,
            status=answer.status,
            milliseconds=round(seconds * 1000, 1),
            key_id=getattr(principal, "key_id", None),
        )


class _Answer:
    """Sends the answer with our headers added, and remembers its status. Once it begins, the
    request's place is free: however slowly the caller reads, it keeps no other waiting.

    Without a body the answer ends with its headers; a stream then sees its reader as gone.
    """

    def __init__(self, send: Send, request_id: str, scope: Scope, *, has_body: bool) -> None:
        self._send = send
        self._scope = scope
        self._has_body = has_body
        self.request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _give_place_back(self._scope)
            self.status = message["status"]
            own = [pair for pair in message["headers"] if pair[0] != _REQUEST_ID]
            named = {name for name, _ in own}
            own += [pair for pair in _SAFE_HEADERS if pair[0] not in named]
            own.append((_REQUEST_ID, self.request_id.encode()))
            message["headers"] = own
            await self._send(message)
            if not self._has_body:
                await self._send({"type": "http.response.body", "body": b""})
        elif self._has_body:
            await self._send(message)


def _give_place_back(scope: Scope) -> None:
    """Give back the place that the request's guard has taken, if it still has one."""
    give_back = scope.get("state", {}).pop("give_back", None)
    if give_back is not None:
        give_back()


async def _refuse(refused: ProblemError, scope: Scope, receive: Receive, answer: _Answer) -> None:
    response = refused.problem.response(refused.headers)
    await response(scope, receive, answer.send)


def _check_address(target: bytes) -> None:
    """Raise `BadRequest` for what the framework would read as another text, or the database as
    none."""
    if b"%" not in target and target.isascii() and b"\0" not in target:
        return
    plain = unquote_to_bytes(target)
    if b"\0" in plain:
        raise BadRequest("the address holds U+0000")
    try:
        plain.decode()
    except UnicodeDecodeError:
        raise BadRequest("the address is not UTF-8, percent-encoded") from None


def _request_id(headers: _Headers) -> str:
    sent = headers.get(_REQUEST_ID, b"")
    return sent.decode() if _SANE_ID.fullmatch(sent) else secrets.token_hex(16)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed
