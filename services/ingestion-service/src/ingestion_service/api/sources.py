"""`/v1/sources`: the systems that a practice has declared, and what each has sent."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import NAMESPACE
from ingestion_service.api.source_schemas import (
    DeclaredSource,
    SourceAnswer,
    SourceBody,
    SourcesAnswer,
)
from ingestion_service.declaring import declare_source
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.sources import Source, SourceKey
from ingestion_service.ports import Reads, SourceProgress, Stores
from ingestion_service.ports.sources import Undeclared
from rapport_contracts.values import Name
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.links import links
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)

SourcePath = Annotated[Name, Path(examples=[NAMESPACE])]
_OTHER_OPERATIONS: Final = re.compile(r".*/(signature|try|webhook)")
"""What stands behind `/v1/sources/` and is no source: the paths of other operations."""


def _source_alone(source: SourcePath) -> str:
    """A name may hold slashes. Raises HTTPException where the path is another operation's."""
    if _OTHER_OPERATIONS.fullmatch(source):
        raise HTTPException(405)
    return source


_SourceAlone = Annotated[str, Depends(_source_alone)]
_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
_SAME_SOURCE = links(200, {"sources-source": {"source": "$response.body#/source"}})
_Reader = Annotated[Principal, Depends(require_practice("clients:read"))]


def sources_router(stores: Stores, reads: Reads) -> APIRouter:
    """The routes that declare and list sources."""
    router = APIRouter(prefix="/v1")
    _add_declaration(router, stores)
    _add_reads(router, reads)
    return router


def _add_declaration(router: APIRouter, stores: Stores) -> None:
    @router.put(
        "/sources/{source:path}",
        tags=["sources"],
        status_code=200,
        responses={
            201: {
                "model": DeclaredSource,
                "description": "The source was not declared.",
                **_SAME_SOURCE[200],
            },
            **_SAME_SOURCE,
            **responses(*_DENIED, NotFound, Conflict),
        },
    )
    def put_source(
        principal: Annotated[Principal, Depends(require_practice("sources:write"))],
        source: _SourceAlone,
        body: SourceBody,
        response: Response,
    ) -> DeclaredSource:
        """Declare a source, or change its declaration.

        Do this before the source sends: events of a source that is not declared are refused here
        (422 `unknown-source`), and wait where they came by the bus; they are accepted, in their
        order, soon after this call. `source` is the CloudEvents attribute of its events. 409: what
        is fixed would change, another source of the namespace has another `client_key` or
        `creates_clients`, or there are 200 sources already.
        """
        unsaid = SourceBody.model_fields.keys() - body.model_fields_set
        said = body.model_dump() | {"namespace": body.namespace or source}
        wanted = Source(PracticeId(principal.practice), source, **said)
        with refusals_as_problems(), stores.open(wanted.practice_id) as store:
            saved = declare_source(wanted, store, unsaid)
        if saved.is_new:
            response.status_code = 201
        return _declared(saved.source)


def _add_reads(router: APIRouter, reads: Reads) -> None:
    @router.get("/sources", tags=["clients"], responses=responses(*_DENIED))
    def list_sources(principal: _Reader) -> SourcesAnswer:
        """List the sources: how each is declared, and what it has sent.

        Look here first when a client's history seems incomplete: a source that has been silent,
        counts fewer events than it sent, or is not declared, shows here.
        """
        practice_id = PracticeId(principal.practice)
        declared = {each.source: each for each in reads.declared_sources(practice_id)}
        waiting = {each.source: each for each in reads.undeclared(practice_id)}
        sent = {each.source: each for each in reads.sources(practice_id)}
        names = sorted(declared.keys() | waiting.keys() | sent.keys())
        return SourcesAnswer(
            items=[
                _listed(
                    sent.get(name) or SourceProgress(name, 0, None, None),
                    declared.get(name),
                    waiting.get(name) or Undeclared(name, 0, None),
                )
                for name in names
            ]
        )

    @router.get("/sources/{source:path}", tags=["sources"], responses=responses(*_DENIED, NotFound))
    def source(principal: _Reader, source: _SourceAlone) -> DeclaredSource:
        """Get the declaration of one source.

        404 for one that this practice has not declared.
        """
        found = reads.declared_source(SourceKey(PracticeId(principal.practice), source))
        if found is None:
            raise NotFound("this practice has declared no such source")
        return _declared(found)


def _declared(source: Source) -> DeclaredSource:
    said = source._asdict()
    del said["practice_id"]
    return DeclaredSource(fixed=said.pop("is_fixed"), **said)


def _listed(sent: SourceProgress, declared: Source | None, waiting: Undeclared) -> SourceAnswer:
    return SourceAnswer(
        **sent._asdict(),
        declared=None if declared is None else _declared(declared),
        waiting=waiting.waiting,
        waiting_since=waiting.waits_since,
    )
