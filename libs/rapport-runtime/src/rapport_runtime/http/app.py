"""The app of every service: closed by default; every refusal is a problem."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.telemetry import TelemetryConfig

from rapport_runtime.connections import KEY_THREADS
from rapport_runtime.http import docs, errors
from rapport_runtime.http.api_keys import KeyVerifier
from rapport_runtime.http.auth import guards
from rapport_runtime.http.calls import CallLimit
from rapport_runtime.http.edge import Doors, Edge
from rapport_runtime.http.failed_keys import FailedKeys
from rapport_runtime.http.fast.remembered_keys import RememberedKeys
from rapport_runtime.http.key_lookups import KeyLookups
from rapport_runtime.http.media_types import takes_json_only
from rapport_runtime.http.openapi import openapi
from rapport_runtime.http.own_threads import OwnThreads
from rapport_runtime.http.places import PlaceLimits, Places
from rapport_runtime.http.probes import Check, Refresh, probe_router
from rapport_runtime.http.query_words import query_words
from rapport_runtime.http.streams import Streams

_MEBIBYTE = 1024 * 1024
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,  # it would hand on messages of exceptions, which quote what was sent
    "auto_configure": False,
}
"""The edge writes ours: a line and two metrics for each request, without a value that was sent."""


_FOR_ALL = (
    "Every refusal is a problem of RFC 9457. A word in the query, or a key in the body, that an"
    " operation does not name is refused (422), never ignored; only events may carry more. So is a"
    " word of the query that comes twice. Every path that answers GET answers HEAD alike, without"
    " the body.\n\n"
    "All requests of a practice share one limit and one part of each process. Who makes too many"
    " calls a second gets 429 with the reason `rate-exceeded`. Requests wait for a place; after 5 s"
    " the answer is 429, `share-taken`, when the practice has its share, and 503,"
    " `all-places-taken`, when others have all. A service that has heard nothing of API keys for 15"
    " minutes answers 503, `keys-not-read`: one may have been revoked. `Retry-After` says when to"
    " come back. A body above 4 KiB is read only with a key that holds."
)


class UnguardedRoute(Exception):
    """A route that anybody could call; a service must not start with it."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of an app that its service chooses.

    - `keys` verifies API keys; an address whose keys fail more than `failed_keys_per_minute` times
      has to wait.
    - `cursor_key` signs page cursors: 32 bytes, the same in all processes of the service.
    - `checks` decide `/readyz`; each of `refresh` updates gauges before `/metrics` is answered.
    - `tags` describe the groups of the service's own routes.
    - A body above `max_body_bytes` is refused unread.
    - `events` is the AsyncAPI document of the bus, for the page beside Swagger.
    - `streams` are the answers that stay open.
    - `places` are shared by requests that use the database; a practice makes at most
      `calls_per_second`.
    - `doors`: as in `Edge`, for routes whose guard asks for no key.
    - Each of `closing` is called when the last answer has been sent.
    """

    title: str
    version: str
    description: str
    keys: KeyVerifier
    cursor_key: bytes
    tags: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    refresh: Sequence[Refresh] = ()
    max_body_bytes: int = _MEBIBYTE
    events: Mapping[str, Any] | None = None
    streams: Streams = field(default_factory=Streams)
    failed_keys_per_minute: int = 60
    places: PlaceLimits = field(default_factory=PlaceLimits)
    calls_per_second: int = 500
    doors: Doors = field(default_factory=dict)
    closing: Sequence[Callable[[], None]] = ()


def create_app(service: Service, routers: Sequence[APIRouter]) -> FastAPI:
    """The app with these routers, probes and docs.

    Raises `UnguardedRoute` when a route of a router has no `require…` dependency (on itself or
    its router), or is not a plain HTTP route: mounts and websockets could not be checked.
    """
    app = FastAPI(
        title=service.title,
        version=service.version,
        description=_description(service),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would be an answer that no document names
        generate_unique_id_function=_operation_id,
        telemetry=_NO_TELEMETRY,
        lifespan=_lifespan(service.closing),
    )
    app.state.keys = RememberedKeys(service.keys)
    app.state.key_lookups = KeyLookups(
        FailedKeys(service.failed_keys_per_minute), OwnThreads("keys", KEY_THREADS)
    )
    app.state.calls = CallLimit(service.calls_per_second)
    app.state.places = Places(service.places)
    app.state.cursor_key = service.cursor_key
    app.state.streams = service.streams
    for router in routers:
        app.include_router(router)
    _refuse_unguarded(app)
    app.state.on_threads = frozenset(_on_threads(app))
    app.include_router(docs.docs_router(app, service.events))
    app.include_router(probe_router(service.checks, service.refresh))
    app.state.query_words = query_words(app)
    app.state.takes_json_only = takes_json_only(app)
    app.openapi = cache(partial(openapi, app, service.tags))  # type: ignore[method-assign]  # FastAPI's documented way
    errors.install(app)
    app.add_middleware(
        Edge,
        max_body_bytes=service.max_body_bytes,
        routes=dict(_templates(app)),
        doors=service.doors,
    )
    return app


def _description(service: Service) -> str:
    """The service's own words, and what holds for all of its operations."""
    bus = (
        "" if service.events is None else " The events on the bus are described at `/docs/events`."
    )
    return f"{service.description}\n\n{_FOR_ALL}{bus}"


def _lifespan(
    closing: Sequence[Callable[[], None]],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for close in closing:
            close()

    return lifespan


def _refuse_unguarded(app: FastAPI) -> None:
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            raise UnguardedRoute(f"{context.path}: only plain HTTP routes can be guarded")
        if not any(guards(context.dependant)):
            raise UnguardedRoute(
                f"{sorted(context.methods or ())} {context.path}: give it require(<scope>)"
            )


def _templates(app: FastAPI) -> Iterator[tuple[Any, str]]:
    context: RouteContext
    for context in iter_route_contexts(app.routes):
        if context.endpoint is not None and context.path_format is not None:
            yield context.endpoint, context.path_format


def _on_threads(app: FastAPI) -> Iterator[Any]:
    """The endpoints that the framework runs on threads, since they are no coroutines."""
    for endpoint, _ in _templates(app):
        if not inspect.iscoroutinefunction(endpoint) and not inspect.isasyncgenfunction(endpoint):
            yield endpoint


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0]}-{route.name}" if route.tags else route.name
