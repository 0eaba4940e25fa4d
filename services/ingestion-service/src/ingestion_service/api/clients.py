"""`/v1/clients` and `/v1/sources`: who is who, what each client did, what each source has sent."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from ingestion_service.api.refusals import answered
from ingestion_service.api.schemas import (
    ActivityAnswer,
    ClientAnswer,
    ClientBody,
    SourceAnswer,
    SourcesAnswer,
)
from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.handlers import register_client
from ingestion_service.ports import Reads, Sessions
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

Word = Annotated[str, Query(min_length=1, max_length=200)]
_SAME = {name: f"$response.body#/{name}" for name in ("source", "external_id")}
_LEADS_ON = links(
    200,
    {
        "clients-list_activity": {"client_id": "$response.body#/client_id"},
        "clients-find_client": _SAME,
    },
)[200]
_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)


def clients_router(sessions: Sessions, reads: Reads) -> APIRouter:
    """Register and look up clients, read their activity, and see what the sources sent."""
    router = APIRouter(prefix="/v1", tags=["clients"])

    @router.put(
        "/clients",
        responses={
            201: {"model": ClientAnswer, "description": "The client is new.", **_LEADS_ON},
            200: _LEADS_ON,
            **responses(*_DENIED, NotFound, Conflict),
        },
    )
    def put_client(
        principal: Annotated[Principal, Depends(require_practice("clients:write"))],
        body: ClientBody,
        response: Response,
    ) -> ClientAnswer:
        """Get the client of a source's id, making one when there is none.

        Safe to repeat. Not needed before sending events (the first event makes the client), but
        it gives you the `client_id` by which contacts, consents and tiers are kept, and lets
        scoring answer `prospect` for somebody who has not done anything yet.
        """
        key = IdentityKey(PracticeId(principal.practice), body.source, body.external_id)
        with answered(), sessions.intake(key.practice_id) as (store, now):
            made = register_client(key, store, now)
        if made.is_new:
            response.status_code = 201
        return ClientAnswer(
            client_id=made.client_id, source=body.source, external_id=body.external_id
        )

    @router.get("/clients", responses=responses(*_DENIED, NotFound))
    def find_client(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        source: Word,
        external_id: Word,
    ) -> ClientAnswer:
        """The client of a source's id; 404 when no event and no registration named it yet."""
        known = reads.client(IdentityKey(PracticeId(principal.practice), source, external_id))
        if known is None:
            raise NotFound("no client is known by this source and external_id")
        return ClientAnswer(
            client_id=known.client_id, source=known.source, external_id=known.external_id
        )

    @router.get(
        "/clients/{client_id}/activity", responses=responses(*_DENIED, NotFound, InvalidCursor)
    )
    def list_activity(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        client_id: Annotated[str, Path(max_length=200)],
        page: PageQuery,
    ) -> Page[ActivityAnswer]:
        """What a client did, as the signed changes that were published, by sequence.

        Recomputed from the ledger of accepted events: the sums over all of them are what the
        client's history counts now. Corrections appear as activities of their own.
        """
        after = 0 if page.after is None else int(page.after[0])
        found = reads.activities(
            PracticeId(principal.practice), ClientId(client_id), after, page.fetch
        )
        if found is None:
            raise NotFound("this practice has no such client")
        return page.page([_activity(one) for one in found], lambda one: (one.sequence,))

    @router.get("/sources", responses=responses(*_DENIED))
    def list_sources(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
    ) -> SourcesAnswer:
        """What each source has sent: look here first when a client's history seems incomplete."""
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
