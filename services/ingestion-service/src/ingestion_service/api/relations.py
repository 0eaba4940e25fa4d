"""`/v1/relations`: who pays for whom."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import EXTERNAL_ID, NAMESPACE, Identity, WireModel
from ingestion_service.api.shown import shown
from ingestion_service.domain.facts import IdentityKey, PracticeId
from ingestion_service.ports import Stores
from ingestion_service.relating import Relation, paid_for, relate_payer
from rapport_contracts.values import Name
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)

_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)


class RelationBody(WireModel):
    """Who pays for which client, each by an identity."""

    kind: Literal["payer"] = Field(description="payer: who pays for the client.")
    payer: Identity
    client: Identity


class RelationsAnswer(WireModel):
    """The relations of one payer."""

    items: list[RelationBody]


def relations_router(stores: Stores) -> APIRouter:
    """The routes that store and list who pays for whom."""
    router = APIRouter(prefix="/v1", tags=["clients"])

    @router.put("/relations", responses=responses(*_DENIED, NotFound, Conflict))
    def put_relation(
        principal: Annotated[Principal, Depends(require_practice("clients:write"))],
        body: RelationBody,
    ) -> RelationBody:
        """Say who pays for a client.

        Safe to repeat. A payer may pay for up to 100 clients. 404: no client has the identity
        `client`.
        """
        practice_id = PracticeId(principal.practice)
        payer, client = (
            IdentityKey(practice_id, each.namespace, each.external_id)
            for each in (body.payer, body.client)
        )
        with refusals_as_problems(), stores.open(practice_id) as store:
            return _answer(relate_payer(payer, client, store))

    @router.get("/relations", responses=responses(*_DENIED))
    def list_relations(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        namespace: Annotated[Name, Query(examples=[NAMESPACE])],
        external_id: Annotated[Name, Query(examples=[EXTERNAL_ID])],
    ) -> RelationsAnswer:
        """List for whom a payer pays."""
        payer = IdentityKey(PracticeId(principal.practice), namespace, external_id)
        with refusals_as_problems(), stores.open(payer.practice_id) as store:
            return RelationsAnswer(items=[_answer(each) for each in paid_for(payer, store)])

    return router


def _answer(relation: Relation) -> RelationBody:
    return RelationBody(kind="payer", payer=shown(relation.payer), client=shown(relation.client))
