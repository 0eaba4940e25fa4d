"""The door for webhooks, and how a source declares that it takes them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import ValidationError

from ingestion_service.api.raw_body import raw_body
from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.sources import SourcePath
from ingestion_service.api.webhook_schemas import (
    EXAMPLE_ADDRESS,
    SigningBody,
    WebhookAnswer,
    WebhookBody,
)
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.sources import OF_PERSONAL_KEYS, Source, SourceKey
from ingestion_service.ports import Store, Stores
from ingestion_service.ports.secrets import Token, Webhook
from ingestion_service.remarks import count_remark
from ingestion_service.webhooks import NotAccepted, receive, settings_of
from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_runtime.http.api_keys import KeyVerifier, Principal, new_key
from rapport_runtime.http.auth import Guard, require_practice, take_place
from rapport_runtime.http.errors import field_errors
from rapport_runtime.http.failed_keys import FailedKeys
from rapport_runtime.http.fast.remembered_keys import RememberedKeys
from rapport_runtime.http.key_lookups import KeyLookups
from rapport_runtime.http.own_threads import OwnThreads
from rapport_runtime.http.problems import (
    BodyTooLarge,
    Conflict,
    FieldError,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProblemError,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    responses,
)

DOOR: Final = "/v1/webhooks/"
_Writer = Annotated[Principal, Depends(require_practice("sources:write"))]
_Token = Annotated[
    str, Path(description="The secret end of the address.", examples=[EXAMPLE_ADDRESS])
]
_DENIED = (Unauthorised, Forbidden, InvalidRequest, NotFound, Unavailable)
_BODY = {
    "required": True,
    "description": "As the system sends it, of whatever media type; up to 1 MiB.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


class WebhookRefused(ProblemError):
    """Nobody has proved that the declared system sent this."""

    status, slug, title = 401, "webhook-refused", "The signature is not the system's"


class WebhookAddress(Guard):
    """Admits who knows the secret address of a webhook. A guess is paid for before it is looked up,
    as one of an API key is. The webhooks of a practice have a share of places of their own."""

    def __init__(self, tokens: KeyVerifier, failed_per_minute: int) -> None:
        self._tokens = RememberedKeys(tokens)
        self._lookups = KeyLookups(FailedKeys(failed_per_minute), OwnThreads("webhooks", 1))

    async def holder(self, request: Request) -> Principal:
        """Whose webhook the address is. Raises `Unauthorised` and `TooManyRequests`."""
        token = request.scope["path"].removeprefix(DOOR)
        address = request.client.host if request.client else "unknown"
        known = self._tokens.recall(token)
        return known or await self._lookups.holder_of(self._tokens, token, address)

    async def __call__(self, request: Request) -> Principal:
        """The source's holder; its label is the source."""
        principal = await self.holder(request)
        request.state.principal = principal
        share = f"webhooks of {principal.practice}"
        request.app.state.calls.count(share)
        await take_place(request, share)
        return principal


def webhooks_router(stores: Stores, address: WebhookAddress) -> APIRouter:
    """The routes of webhooks and signing."""
    router = APIRouter(prefix="/v1", tags=["sources"])
    _add_declaration(router, stores)
    _add_signing(router, stores)
    _add_door(router, stores, address)
    return router


def _add_declaration(router: APIRouter, stores: Stores) -> None:
    @router.post(
        "/sources/{source:path}/webhook",
        responses={
            201: {"model": WebhookAnswer, "description": "The webhook has a new address."},
            **responses(*_DENIED),
        },
    )
    def post_webhook(
        principal: _Writer, source: SourcePath, body: WebhookBody, response: Response
    ) -> WebhookAnswer:
        """Let a source take webhooks, or change how they are verified and read.

        The source must be declared. Give `path` to the system, behind this service's own address;
        it is shown this one time.
        """
        key = SourceKey(PracticeId(principal.practice), source)
        _check_settings(key, body)
        webhook = Webhook(body.adapter, json.dumps(body.settings).encode())
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            _check_keys(_declared(key, store), body.adapter)
            is_new = body.new_address or store.secrets.webhook(key) is None
            raw, parts = new_key()
            token = Token(parts.id, parts.secret_hash) if is_new else None
            store.secrets.save_webhook(key, webhook, token)
        if is_new:
            response.status_code = 201
        path = DOOR + raw.removeprefix("rk_") if is_new else None
        return WebhookAnswer(source=source, adapter=body.adapter, path=path)

    @router.delete("/sources/{source:path}/webhook", status_code=204, responses=responses(*_DENIED))
    def delete_webhook(principal: _Writer, source: SourcePath) -> None:
        """Let a source take no webhooks any more; its address and secrets are gone."""
        key = SourceKey(PracticeId(principal.practice), source)
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            if not store.secrets.end_webhook(key):
                raise NotFound("this source takes no webhooks")


def _add_signing(router: APIRouter, stores: Stores) -> None:
    @router.post("/sources/{source:path}/signature", status_code=204, responses=responses(*_DENIED))
    def post_signature(principal: _Writer, source: SourcePath, body: SigningBody) -> None:
        """Let a source sign what it sends: from now on its events are refused without.

        The signature is the HMAC-SHA-256 of the record's value, or of the request's body, under
        the secret, in hexadecimal, in the header `rapport-signature`. It holds for the bus and for
        `POST /v1/events`; webhooks have signatures of their own. Refused as `unsigned` or
        `bad-signature`.
        """
        key = SourceKey(PracticeId(principal.practice), source)
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            _declared(key, store)
            store.secrets.save_signing(key, body.plain())

    @router.delete(
        "/sources/{source:path}/signature", status_code=204, responses=responses(*_DENIED)
    )
    def delete_signature(principal: _Writer, source: SourcePath) -> None:
        """Let a source send without signatures."""
        key = SourceKey(PracticeId(principal.practice), source)
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            store.secrets.save_signing(key, [])


def _add_door(router: APIRouter, stores: Stores, address: WebhookAddress) -> None:
    @router.post(
        "/webhooks/{token}",
        status_code=204,
        openapi_extra={"requestBody": _BODY},
        responses=responses(
            Unauthorised,
            WebhookRefused,
            InvalidRequest,
            Conflict,
            BodyTooLarge,
            TooManyRequests,
            Unavailable,
        ),
    )
    def receive_webhook(
        principal: Annotated[Principal, Depends(address)],
        token: _Token,
        body: Annotated[bytes, Depends(raw_body)],
        request: Request,
    ) -> None:
        """Receive a webhook of the system that the source declares.

        There is no API key: the address is secret, and the signature is verified before anything
        is read. Sent again, it changes nothing. It is accepted whole or not at all: a 4xx or 5xx
        lets the system send it again, which is right once the declaration is mended.
        """
        del token  # the guard has read it
        key = SourceKey(PracticeId(principal.practice), principal.label)
        with refusals_as_problems(), _webhook_problems(), stores.open(key.practice_id) as store:
            webhook = store.secrets.webhook(key)
            if webhook is None:
                raise WebhookRefused("this webhook has ended")
            results = receive(key, webhook, request.headers.items(), body, store)
        for kind, result in results:
            count_remark(kind, result)


@contextmanager
def _webhook_problems() -> Iterator[None]:
    """Turn what refuses a webhook into problems; behind them nothing is stored."""
    try:
        yield
    except SignatureRefused as refused:
        raise WebhookRefused(refused.detail, reason=refused.reason) from None
    except Unreadable as error:
        detail = f"{error.reason}: {error.way_out}"
        fault = FieldError(location="body", pointer=error.field, reason="unreadable", detail=detail)
        raise InvalidRequest("the webhook cannot be read", errors=[fault]) from None
    except NotAccepted as error:
        raise InvalidRequest(error.result.detail, reason=error.result.reason) from None


def _declared(key: SourceKey, store: Store) -> Source:
    found = store.sources([key]).get(key)
    if found is None:
        raise NotFound("declare the source first: PUT /v1/sources/{source}")
    return found


def _check_keys(source: Source, adapter: str) -> None:
    """Refuse an adapter whose clients are known by what must not be stored as it is."""
    if adapter in OF_PERSONAL_KEYS and source.client_key != "personal":
        detail = "it knows clients by e-mail or phone: declare the source with client_key personal"
        fault = FieldError(
            location="body", pointer="/adapter", reason="client-key-opaque", detail=detail
        )
        raise InvalidRequest("1 found", errors=[fault])


def _check_settings(key: SourceKey, body: WebhookBody) -> None:
    own = {"practice_id", "source"} & body.settings.keys()
    try:
        settings_of(key, body.adapter, body.settings)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_input=False)
    else:
        faults = []
    placed = [{**fault, "loc": ("body", "settings", *fault["loc"])} for fault in faults]
    placed += [
        {"loc": ("body", "settings", name), "msg": "stands in the address", "type": "extra"}
        for name in sorted(own)
    ]
    if placed:
        raise InvalidRequest(f"{len(placed)} found", errors=field_errors(placed))
