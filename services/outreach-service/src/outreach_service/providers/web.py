"""HTTP to providers: explicit time-outs, no retries, no redirects, and no address in any log."""

import logging
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
    """The provider cannot have seen the request; the argument says why, without its content."""


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
    """Seconds for reaching a provider and for its answer."""

    connect: float = 5
    answer: float = 15


def http_client(timeouts: Timeouts = Timeouts()) -> httpx.AsyncClient:
    """A client for providers. Its loggers are held at WARNING: their INFO prints the query, which
    carries tokens and phone numbers (RELIABILITY finding 6). The caller closes it."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeouts.answer, connect=timeouts.connect, pool=timeouts.connect),
        limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=4),
        follow_redirects=False,
        trust_env=False,
    )


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None


async def ask(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    """Send one request once. Raises NotSent and NoAnswer.

    A 5xx, and an answer that is not a JSON object, are NoAnswer: a gateway may have lost it after
    the provider had acted.
    """
    try:
        response = await client.send(request)
    except _NEVER_BEGAN as problem:
        raise NotSent(type(problem).__name__) from None
    except httpx.HTTPError as problem:
        raise NoAnswer(type(problem).__name__) from None
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or response.status_code >= 500:
        raise NoAnswer(f"HTTP {response.status_code}")
    return Answer(response.status_code, body, _seconds(response.headers.get("retry-after")))
