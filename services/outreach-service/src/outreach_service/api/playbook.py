"""`/v1/playbook`: what follows from a tier change, as data that is checked before it is kept."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from outreach_service.api.playbook_schema import playbook_schema
from outreach_service.api.refusals import ALWAYS, field_error
from outreach_service.api.schemas import PlaybookAnswer
from outreach_service.domain.playbook import InvalidPlaybook, Playbook, parse_playbook
from outreach_service.domain.templates import Catalogue, without_template
from outreach_service.ports import Playbooks
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import FieldError, InvalidRequest, responses

_INDEX = re.compile(r"\[(\d+)\]")


def playbook_router(playbooks: Playbooks, catalogue: Catalogue) -> APIRouter:
    """Read and replace a practice's playbook."""
    router = APIRouter(prefix="/v1", tags=["playbook"])

    @router.get("/playbook", responses=responses(*ALWAYS))
    def get_playbook(
        principal: Annotated[Principal, Depends(require_practice("playbook:read"))],
    ) -> PlaybookAnswer:
        """The plays in force: the practice's own, else the default (version 0)."""
        return PlaybookAnswer.of(playbooks.current(principal.practice))

    @router.put("/playbook", responses=responses(*ALWAYS))
    def put_playbook(
        principal: Annotated[Principal, Depends(require_practice("playbook:write"))],
        body: Annotated[dict[str, Any], Body(json_schema_extra=playbook_schema(catalogue))],
    ) -> PlaybookAnswer:
        """Replace the plays; tier changes from now on are answered by them.

        Messages that are already planned keep the play that planned them. A play without `mode`
        only observes. 422 names the field that is wrong, a channel that may not carry the purpose
        and a route without a template included.
        """
        faults = faults_of(body, catalogue)
        if faults:
            raise InvalidRequest(f"{len(faults)} found", errors=faults)
        return PlaybookAnswer.of(playbooks.save(principal.practice, body))

    return router


def faults_of(document: Mapping[str, Any], catalogue: Catalogue) -> list[FieldError]:
    """What stands against using this playbook."""
    try:
        playbook = parse_playbook(document)
    except InvalidPlaybook as invalid:
        return [field_error(_INDEX.sub(r".\1", invalid.field), invalid.problem)]
    return [_gap(playbook, gap) for gap in without_template(playbook, catalogue)]


def _gap(playbook: Playbook, gap: str) -> FieldError:
    key, _, channel = gap.rpartition("/")
    [index] = [index for index, play in enumerate(playbook.plays) if play.key == key]
    purpose = playbook.plays[index].purpose
    return field_error(f"plays.{index}", f"no template for {purpose} by {channel}")
