"""`/v1/playbook`: what follows from a tier change, as data that is checked before it is saved."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from outreach_service.api.refusals import ALWAYS, as_problem
from outreach_service.api.schemas import PlaybookAnswer
from outreach_service.documents.playbooks import read_usable_playbook
from outreach_service.documents.schemas import playbook_schema
from outreach_service.domain.faults import InvalidDocument
from outreach_service.domain.templates import Catalogue
from outreach_service.handlers.playbooks import replace_playbook, view_playbook
from outreach_service.ports.store import Stores
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import responses


def playbook_router(stores: Stores, default: Mapping[str, Any], catalogue: Catalogue) -> APIRouter:
    """Read and replace a practice's playbook; `default` is the deployment's."""
    router = APIRouter(prefix="/v1", tags=["playbook"])

    @router.get("/playbook", responses=responses(*ALWAYS))
    def get_playbook(
        principal: Annotated[Principal, Depends(require_practice("playbook:read"))],
    ) -> PlaybookAnswer:
        """Get the plays in force.

        They are the practice's own, else the deployment's default, which has version 0.
        """
        return PlaybookAnswer.of(view_playbook(stores, default, principal.practice))

    @router.put("/playbook", responses=responses(*ALWAYS))
    def put_playbook(
        principal: Annotated[Principal, Depends(require_practice("playbook:write"))],
        body: Annotated[
            dict[str, Any], Body(title="Playbook", json_schema_extra=playbook_schema(catalogue))
        ],
    ) -> PlaybookAnswer:
        """Replace the plays.

        They answer the tier changes from now on. Messages that are already planned keep the play
        that planned them. A play without `mode` only observes. 422 names every field that is wrong;
        among them a channel that may not carry the purpose, and a play of which a route has no
        template.
        """
        try:
            read_usable_playbook(body, catalogue)
        except InvalidDocument as invalid:
            raise as_problem(invalid) from None
        return PlaybookAnswer.of(replace_playbook(stores, principal.practice, body))

    return router
