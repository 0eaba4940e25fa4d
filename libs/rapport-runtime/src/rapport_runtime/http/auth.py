"""The guards of routes: `Depends(require("tiers:read"))` admits only keys with that scope."""

from collections.abc import Iterator
from enum import Enum
from functools import partial

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPBearer

from rapport_runtime.http.api_keys import Principal, RecallingVerifier
from rapport_runtime.http.calls import CallLimit
from rapport_runtime.http.key_lookups import KeyLookups
from rapport_runtime.http.media_types import refuse_other_media
from rapport_runtime.http.places import Places
from rapport_runtime.http.problems import Forbidden, Unauthorised
from rapport_runtime.http.query_words import refuse_wrong_words

SCHEME = "ApiKey"
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


class Guard:
    """A dependency that admits or refuses a request; `create_app` refuses a route without one.

    Other proofs than an API key, such as a provider's signature on its receipt, are subclasses.
    """


def guards(dependant: Dependant) -> Iterator[Guard]:
    """Every guard among a route's dependencies, however deep."""
    if isinstance(dependant.call, Guard):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from guards(inner)


class Holder(Enum):
    """Whose keys a route is for."""

    ANYONE = "a key of a practice or of an operator"
    PRACTICE = "a practice's key"
    OPERATOR = "an operator's key"


class Requirement(Guard, HTTPBearer):
    """Demands a key of the right holder with one scope, or whatever scopes (None); gives the route
    its `Principal`.

    Raises `Unauthorised` (401) without a valid key, `Forbidden` (403), naming what is missing, for
    a key that may not do this, `TooManyRequests` (429) for an address whose keys failed too often
    and for a practice that calls too often or has its share of places, `Unavailable` (503) when
    others hold all places, `InvalidRequest` (422) for a query with a word that the operation does
    not know or that comes twice, and `UnsupportedMediaType` (415) for a body that is not declared
    as JSON. It is the security scheme of the OpenAPI document itself: a scheme of its own, as a
    dependency of this one, would be a tenth of a request's cost (ADR 23).
    """

    def __init__(self, scope: str | None, holder: Holder) -> None:
        super().__init__(
            scheme_name=SCHEME,
            bearerFormat="rk_<id>_<secret>",
            description="An API key, sent as `Authorization: Bearer rk_…`. Ingestion's `/v1/keys`"
            " makes keys; the first is made by the command `keys create`.",
        )
        self.scope = scope
        self.holder = holder

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]  # what a dependency gives is the route's matter
        """The holder of the request's key; raises as described at the class."""
        principal = await holder_of_key(request)
        request.state.principal = principal
        state, holder = request.app.state, principal.holder
        calls: CallLimit = state.calls
        calls.count(holder)
        if self.holder is Holder.PRACTICE and principal.practice_id is None:
            raise Forbidden("this needs a practice's key; an operator's key sees no client")
        if self.holder is Holder.OPERATOR and principal.practice_id is not None:
            raise Forbidden("this needs an operator's key")
        if self.scope is not None and self.scope not in principal.scopes:
            raise Forbidden(f"the key lacks the scope {self.scope}")
        if request.scope["query_string"]:
            refuse_wrong_words(request)
        if request.method not in _WITHOUT_BODY:
            refuse_other_media(request)
        if request.scope["endpoint"] in state.on_threads:
            await take_place(request, holder)
        return principal


async def take_place(request: Request, holder: str) -> None:
    """Take one of the process's places for this request; the edge gives it back as soon as the
    answer begins. Raises as `Places.take`.

    An endpoint that runs on a thread has its place taken by its guard. One on the event loop takes
    a place around each use of the database, since it may wait in between.
    """
    places: Places = request.app.state.places
    await places.take(holder)
    request.state.give_back = partial(places.give_back, holder)


async def holder_of_key(request: Request) -> Principal:
    """The holder of the request's key. Raises `Unauthorised`, and `TooManyRequests` for an address
    whose keys failed too often."""
    # As `HTTPBearer.__call__`, which takes a tenth of a short request (ADR 23).
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    raw_key = credentials.strip()
    if scheme.lower() != "bearer" or not raw_key:
        raise Unauthorised("send Authorization: Bearer rk_…")
    return await _verified(request, raw_key)


async def _verified(request: Request, raw_key: str) -> Principal:
    keys: RecallingVerifier = request.app.state.keys
    principal = keys.recall(raw_key)
    if principal is not None:
        return principal
    lookups: KeyLookups = request.app.state.key_lookups
    address = request.client.host if request.client else "unknown"
    return await lookups.holder_of(keys, raw_key, address)


def any_key() -> Requirement:
    """Any key that holds, whatever it may do."""
    return Requirement(None, Holder.ANYONE)


def require(scope: str) -> Requirement:
    """Any key with `scope`: of a practice, or an operator's."""
    return Requirement(scope, Holder.ANYONE)


def require_practice(scope: str) -> Requirement:
    """A practice's key with `scope`; `principal.practice` is then its id."""
    return Requirement(scope, Holder.PRACTICE)


def require_operator(scope: str) -> Requirement:
    """An operator's key with `scope`: practices, status, clock, undecodable dead letters."""
    return Requirement(scope, Holder.OPERATOR)
