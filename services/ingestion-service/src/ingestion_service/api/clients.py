"""`/v1/clients` and `/v1/sources`: clients, their activity, and what each source has sent."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import (
    ActivityAnswer,
    ClientAnswer,
    ClientBody,
    SourceAnswer,
    SourcesAnswer,
)
from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.handlers import client_activities, register_client
from ingestion_service.ports import Reads, Stores
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

NameQuery = Annotated[str, Query(min_length=1, max_length=200)]
_SAME_CLIENT = {name: f"$response.body#/{name}" for name in ("source", "external_id")}
_NEXT_LINKS = links(
    200,
    {
        "clients-list_activity": {"client_id": "$response.body#/client_id"},
        "clients-find_client": _SAME_CLIENT,
    },
)[200]
_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)


def clients_router(stores: Stores, reads: Reads) -> APIRouter:
    """The routes that register and find clients, list their activity, and list sources."""
    router = APIRouter(prefix="/v1", tags=["clients"])

    @router.put(
        "/clients",
        responses={
            201: {"model": ClientAnswer, "description": "The client is new.", **_NEXT_LINKS},
            200: _NEXT_LINKS,
            **responses(*_DENIED, NotFound, Conflict),
        },
    )
    def put_client(
        principal: Annotated[Principal, Depends(require_practice("clients:write"))],
        body: ClientBody,
        response: Response,
    ) -> ClientAnswer:
        """Get the client of a source's id; it is created when there is none.

        Safe to repeat. Not needed before sending events (the first event creates the client), but
        it gives you the `client_id`, by which contacts, consents and tiers are stored, and lets
        scoring answer `prospect` for a client who has not booked or paid yet.
        """
        key = IdentityKey(PracticeId(principal.practice), body.source, body.external_id)
        with refusals_as_problems(), stores.open(key.practice_id) as store:
            registration = register_client(key, store)
        if registration.is_new:
            response.status_code = 201
        return ClientAnswer(
            client_id=registration.client_id, source=body.source, external_id=body.external_id
        )

    @router.get("/clients", responses=responses(*_DENIED, NotFound))
    def find_client(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        source: NameQuery,
        external_id: NameQuery,
    ) -> ClientAnswer:
        """The client of a source's id; 404 before the first event or registration with this id."""
        known = reads.client(IdentityKey(PracticeId(principal.practice), source, external_id))
        if known is None:
            raise NotFound("no client is known by this source and external_id")
        return ClientAnswer(
            client_id=known.client_id, source=known.namespace, external_id=known.external_id
        )

    @router.get(
        "/clients/{client_id}/activity", responses=responses(*_DENIED, NotFound, InvalidCursor)
    )
    def list_activity(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        client_id: Annotated[str, Path(max_length=200)],
        page: PageQuery,
    ) -> Page[ActivityAnswer]:
        """A client's activities, in the order of their sequence, as they were published.

        Each is a signed change. They are computed again from the ledger of accepted events; the
        sums over all of them are what the client's history counts now. A correction is an activity
        of its own.
        """
        after = 0 if page.after is None else int(page.after[0])
        found = client_activities(
            PracticeId(principal.practice),
            ClientId(client_id),
            reads,
            after=after,
            limit=page.fetch,
        )
        if found is None:
            raise NotFound("this practice has no such client")
        return page.page([_activity(one) for one in found], lambda one: (one.sequence,))

    @router.get("/sources", responses=responses(*_DENIED))
    def list_sources(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
    ) -> SourcesAnswer:
        """What each source has sent. Look here first when a client's history seems incomplete."""
        found = reads.sources(PracticeId(principal.practice))
        return SourcesAnswer(items=[SourceAnswer(**source._asdict()) for source in found])

    return router


def _activity(activity: Activity) -> ActivityAnswer:
    delta = activity.delta
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
        cause=activity.cause,
    )
