"""HTTP to providers: a deadline, a bounded answer, no retries or redirects, no address in a log."""

import asyncio
import itertools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

_NEVER_BEGAN = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Failures before a byte of the request could reach the provider."""


class NotSent(Exception):
    """The provider cannot have seen the request; the argument is the reason, without content."""


class NoAnswer(Exception):
    """The request may have been carried out, but its answer is lost or unreadable."""


@dataclass(frozen=True)
class Answer:
    """A provider's JSON answer: HTTP status, object, and the seconds it asked to wait."""

    status: int
    body: dict[str, Any]
    retry_after: float | None


@dataclass(frozen=True)
class Timeouts:
    """Seconds for reaching a provider, and for each piece of its answer."""

    connect: float = 5
    answer: float = 15


CALL_SECONDS = 20.0
"""The deadline of a whole call. A time-out between two bytes is none: a provider that sends one
byte a second keeps to it for ever (R16)."""

LONGEST_ANSWER = 65_536
"""Bytes that are read of an answer; those of the providers have some hundred."""

LONGEST_WAIT = 86_400.0

POOLS = 8
"""httpcore looks at every connection of a pool at each request, which at 32 calls at once costs
more than the calls: 4.7 ms of CPU a request through one pool, 2.1 through eight. See
docs/performance.md."""


class Pools(httpx.AsyncBaseTransport):
    """Several small pools of connections, used in turn."""

    def __init__(self, pools: Sequence[httpx.AsyncBaseTransport]) -> None:
        self._pools = pools
        self._turns = itertools.cycle(pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send through the next pool."""
        return await next(self._turns).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all of them."""
        for pool in self._pools:
            await pool.aclose()


def http_client(timeouts: Timeouts = Timeouts()) -> httpx.AsyncClient:
    """A client for providers, which the caller closes. Its loggers are set to WARNING: at INFO they
    print the query, which carries tokens and phone numbers (I9)."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    trusted = httpx.create_ssl_context(trust_env=False)
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=4)
    pools = [
        httpx.AsyncHTTPTransport(verify=trusted, limits=limits, trust_env=False)
        for _ in range(POOLS)
    ]
    return httpx.AsyncClient(
        transport=Pools(pools),
        timeout=httpx.Timeout(timeouts.answer, connect=timeouts.connect, pool=timeouts.connect),
        headers={"accept-encoding": "identity"},  # what is compressed has no known length
        follow_redirects=False,
        trust_env=False,
    )


def _seconds(value: str | None) -> float | None:
    """The seconds of a Retry-After header, a day at most; None for a date or any other text."""
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    return min(float(value), LONGEST_WAIT)


async def ask(
    client: httpx.AsyncClient, request: httpx.Request, seconds: float = CALL_SECONDS
) -> Answer:
    """Send one request once, and read its answer, within `seconds`. Raises NotSent and NoAnswer.

    A 5xx, and an answer that is late, too long or no JSON object, are NoAnswer: a gateway may have
    lost it after the provider had acted.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await client.send(request, stream=True)
            try:
                raw = await _read(response)
            finally:
                await response.aclose()
    except _NEVER_BEGAN as problem:
        raise NotSent(type(problem).__name__) from None
    except httpx.HTTPError as problem:
        raise NoAnswer(type(problem).__name__) from None
    except TimeoutError:
        raise NoAnswer("deadline") from None
    body = _json(raw)
    if not isinstance(body, dict) or response.status_code >= 500:
        raise NoAnswer(f"HTTP {response.status_code}")
    return Answer(response.status_code, body, _seconds(response.headers.get("retry-after")))


async def _read(response: httpx.Response) -> bytes:
    """The bytes of the answer. Raises NoAnswer for one that is too long, or might be."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("answer-compressed")  # nobody asked for it, and its length is unknown
    raw = bytearray()
    async for piece in response.aiter_bytes():
        raw += piece
        if len(raw) > LONGEST_ANSWER:
            raise NoAnswer("answer-too-long")
    return bytes(raw)


def _json(raw: bytes) -> Any:
    """What the bytes say; None where they are no JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
