"""`/v1/clients`: clients, their identities and their activity."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import (
    ANY_CLIENT,
    ActivityAnswer,
    ClientAnswer,
    ClientKey,
    ClientLookup,
    FoundClient,
    FoundClients,
    Identity,
    Person,
    RegisteredClient,
)
from ingestion_service.domain.activities import NO_CAUSE, Activity
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.handlers import look_up_clients
from ingestion_service.ports import KnownClient, Reads, Stores
from ingestion_service.registering import register_person
from ingestion_service.translate import currency_of
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.links import links
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)

ClientPath = Annotated[str, Path(max_length=200, examples=[ANY_CLIENT])]
_SAME_CLIENT = {"client_id": "$response.body#/client_id"}
_LINKS = links(200, {"clients-client": _SAME_CLIENT, "clients-list_activity": _SAME_CLIENT})
_FIRST_LISTED = {"client_id": "$response.body#/items/0/client_id"}
_FIRST_FOUND = {"client_id": "$response.body#/items/0/client/client_id"}
_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
_NO_CLIENT = "this practice has no such client"
_Reader = Annotated[Principal, Depends(require_practice("clients:read"))]


def clients_router(stores: Stores, reads: Reads) -> APIRouter:
    """The routes that register, list and find clients, and list their activity."""
    router = APIRouter(prefix="/v1", tags=["clients"])
    _add_registration(router, stores)
    _add_clients(router, reads)
    _add_lookup(router, reads)
    _add_activity(router, reads)
    return router


def _add_registration(router: APIRouter, stores: Stores) -> None:
    @router.put(
        "/clients",
        responses={
            201: {"model": RegisteredClient, "description": "The client is new.", **_LINKS[200]},
            **_LINKS,
            **responses(*_DENIED, NotFound, Conflict),
        },
    )
    def put_client(
        principal: Annotated[Principal, Depends(require_practice("clients:write"))],
        body: Person,
        response: Response,
    ) -> RegisteredClient:
        """Get the client of an identity, or of all that one person has; it is created when there is
        none.

        Safe to repeat. Not needed before sending events (the first event creates the client, and
        from then on scoring answers for the client), but it gives you the `client_id`, by which
        contacts, consents and tiers are stored, and lets scoring answer `prospect` for a client of
        whom nothing was sent yet. Of several `identities` those without a client are attached to
        the client of the others, and events that waited for them are accepted; 409 names both
        clients when two have clients of their own.
        """
        given = body.all
        keys = [_identity_key(principal, each.namespace, each.external_id) for each in given]
        with refusals_as_problems(), stores.open(keys[0].practice_id) as store:
            registration = register_person(keys, store)
        if registration.is_new:
            response.status_code = 201
        return RegisteredClient(**given[0].model_dump(), client_id=registration.client_id)


def _add_clients(router: APIRouter, reads: Reads) -> None:
    @router.get(
        "/clients",
        responses=responses(*_DENIED, InvalidCursor)
        | links(200, {"clients-client": _FIRST_LISTED, "clients-list_activity": _FIRST_LISTED}),
    )
    def list_clients(principal: _Reader, page: PageQuery) -> Page[ClientAnswer]:
        """List all clients of the practice with their identities.

        By `client_id`; a client is listed from its first event or registration on.
        """
        after = "" if page.after is None else str(page.after[0])
        found = reads.list_clients(PracticeId(principal.practice), after, page.fetch)
        return page.page([_client(known) for known in found], lambda client: (client.client_id,))

    @router.get(
        "/clients/{client_id}",
        responses=responses(*_DENIED, NotFound)
        | links(200, {"clients-list_activity": _SAME_CLIENT}),
    )
    def client(principal: _Reader, client_id: ClientPath) -> ClientAnswer:
        """Get one client with its identities.

        404 for an id that this practice has not.
        """
        wanted = [ClientId(client_id)]
        (known,) = look_up_clients(PracticeId(principal.practice), wanted, reads)
        if known is None:
            raise NotFound(_NO_CLIENT)
        return _client(known)


def _add_lookup(router: APIRouter, reads: Reads) -> None:
    @router.post(
        "/clients/lookup",
        responses=responses(*_DENIED) | links(200, {"clients-client": _FIRST_FOUND}),
    )
    def lookup(principal: _Reader, body: ClientLookup) -> FoundClients:
        """Find up to 1,000 clients, each by `client_id` or by one identity.

        An identity is found after the first event or registration with it. It goes both ways: from
        your ids to `client_id`, and from `client_id` to all of the client's identities.
        """
        wanted = [_wanted(principal, item) for item in body.items]
        found = look_up_clients(PracticeId(principal.practice), wanted, reads)
        return FoundClients(items=[_found(known) for known in found])


def _add_activity(router: APIRouter, reads: Reads) -> None:
    @router.get(
        "/clients/{client_id}/activity", responses=responses(*_DENIED, NotFound, InvalidCursor)
    )
    def list_activity(
        principal: _Reader,
        client_id: ClientPath,
        page: PageQuery,
    ) -> Page[ActivityAnswer]:
        """List a client's activities, in the order of their sequence.

        They are shown as they were published. Each is a signed change; the sums over all of them
        are what the client's history counts now. A correction is an activity of its own.
        """
        after = 0 if page.after is None else int(page.after[0])
        found = reads.activities(
            PracticeId(principal.practice), ClientId(client_id), after, page.fetch
        )
        if found is None:
            raise NotFound(_NO_CLIENT)
        return page.page([_activity(one) for one in found], lambda one: (one.sequence,))


def _identity_key(principal: Principal, namespace: str, external_id: str) -> IdentityKey:
    return IdentityKey(PracticeId(principal.practice), namespace, external_id)


def _wanted(principal: Principal, item: ClientKey) -> ClientId | IdentityKey:
    if item.client_id:
        return ClientId(item.client_id)
    return _identity_key(principal, item.namespace, item.external_id)


def _client(known: KnownClient) -> ClientAnswer:
    return ClientAnswer(
        client_id=known.client_id,
        known_since=known.known_since,
        registered=known.is_registered,
        identities=[
            Identity(namespace=key.namespace, external_id=key.external_id)
            for key in known.identities
        ],
    )


def _found(known: KnownClient | None) -> FoundClient:
    return FoundClient(found=known is not None, client=None if known is None else _client(known))


def _activity(activity: Activity) -> ActivityAnswer:
    delta, cause = activity.delta, activity.cause or NO_CAUSE
    return ActivityAnswer(
        activity_id=delta.activity_id,
        generation=activity.owner.generation,
        sequence=activity.sequence,
        kind=delta.kind,
        on=delta.on,
        count=delta.number,
        amount_minor=delta.amount_minor,
        currency=currency_of(activity),
        starts_at=delta.starts_at,
        occurred_at=activity.occurred_at,
        accepted_at=activity.accepted_at,
        refers_to=delta.refers_to,
        object_id=cause.object_id,
        source=cause.source,
        cause_id=cause.event_id,
        last_of_cause=activity.is_last_of_cause,
        backfill=cause.backfill,
        attributes=dict(delta.attributes),
        cancelled_by=delta.cancelled_by,
        cancelled_at=delta.cancelled_at,
    )
