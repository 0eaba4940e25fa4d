"""`/v1/practices`: the practices that this system works for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import PracticeAnswer, PracticeBody
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.ports import Reads, Stores
from rapport_contracts import values
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require, require_operator
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    Unauthorised,
    Unavailable,
    responses,
)

_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)


def practices_router(stores: Stores, reads: Reads) -> APIRouter:
    """The routes that register practices (operators only) and list them."""
    router = APIRouter(prefix="/v1/practices", tags=["practices"])

    @router.put(
        "/{practice_id}",
        status_code=200,
        responses={
            201: {"model": PracticeAnswer, "description": "The practice is new."},
            **responses(*_DENIED, Conflict),
        },
    )
    def put_practice(
        principal: Annotated[Principal, Depends(require_operator("practices:write"))],
        practice_id: Annotated[values.PracticeId, Path(examples=["lantern-harbour"])],
        body: PracticeBody,
        response: Response,
    ) -> PracticeAnswer:
        """Register a practice, or change its name, zone, region or discreet name.

        `region` and `discreet_name` stay as they are when they are left out; null deletes them.
        Do this first: events and clients of an unknown practice are refused here. Then let the
        practice declare its sources (`PUT /v1/sources/{source}`): what others send waits.
        Outreach does not check: it accepts contacts and consents for the practice of the key. The
        currency cannot change afterwards (409), because the amounts of accepted events are in it.
        When the zone changes, the clients follow one by one: their facts are said anew on the days
        that they have there, no message comes of it, and what they do meanwhile still counts in the
        zone before.
        The other services learn of the practice within a second or so.
        """
        wanted = Practice(PracticeId(practice_id), **body.model_dump())
        unsaid = PracticeBody.model_fields.keys() - body.model_fields_set
        with refusals_as_problems(), stores.open_for_operator() as store:
            saved = register_practice(wanted, store, unsaid)
        if saved.is_new:
            response.status_code = 201
        return _answer(saved.practice)

    @router.get("", responses=responses(Unauthorised, Forbidden, InvalidCursor, Unavailable))
    def list_practices(
        principal: Annotated[Principal, Depends(require("practices:read"))],
        page: PageQuery,
    ) -> Page[PracticeAnswer]:
        """List the practices, by id.

        An operator's key lists all, a practice's key only its own.
        """
        own = None if principal.practice_id is None else PracticeId(principal.practice_id)
        after = None if page.after is None else str(page.after[0])
        found = reads.practices(own, after, page.fetch)
        return page.page([_answer(known) for known in found], lambda answer: (answer.practice_id,))

    return router


def _answer(known: Practice) -> PracticeAnswer:
    return PracticeAnswer(**known._asdict())
