"""`/v1/pauses` and `/v1/audit`: operators stop and start a worker, a topic or a practice (F37)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_operator
from rapport_runtime.http.examples import json_example
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidCursor,
    NotFound,
    ProblemError,
    Unauthorised,
    Unavailable,
    responses,
)
from rapport_runtime.one_line import REASON
from rapport_runtime.ops import audit, pauses
from rapport_runtime.ops.pauses import (
    Kind,
    NoSuchSubject,
    NotPausable,
    PastEnd,
    Pausable,
    PauseRequest,
)
from rapport_runtime.ops.status_routes import PauseStatus

READ, WRITE = "controls:read", "controls:write"
Reader = Annotated[Principal, Depends(require_operator(READ))]
Writer = Annotated[Principal, Depends(require_operator(WRITE))]
Why = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=REASON,
        description="Kept in the audit for years: name no client.",
        examples=["complaint of this morning, see ticket 4711"],
    ),
]


class CannotPause(ProblemError):
    """To pause this would do harm in this service; the detail says what to do instead."""

    status, slug, title = 409, "cannot-pause", "This cannot be paused here"


class ResumeBody(BaseModel):
    """What to resume, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "practice",
                    "subject": "lantern-harbour",
                    "why": "complaint of this morning, see ticket 4711",
                }
            ]
        },
    )

    kind: Kind
    subject: str = Field(
        max_length=300,
        pattern=r"^[A-Za-z0-9._-]+$|^\*$",
        description="A worker's id (`*` is all of them), a topic, or a practice's id.",
        examples=["lantern-harbour"],
    )
    why: Why


class PauseBody(ResumeBody):
    """What to pause, why, and until when (without `until`: until it is resumed)."""

    until: AwareDatetime | None = Field(default=None, examples=[None])


class Answer(BaseModel):
    """The result of the request."""

    changed: bool = Field(
        description="False: it was so already, or is paused for longer; nothing was changed or"
        " recorded."
    )
    paused: bool
    until: AwareDatetime | None = Field(
        default=None,
        description="When the pause in force ends; null: when it is resumed, or it is not paused.",
        examples=[None],
    )


class AuditAnswer(BaseModel):
    """An act of an operator, or of a practice on its dead letters."""

    id: int
    at: AwareDatetime
    who: str = Field(examples=["key 6c1f0a52b3d94e87"])
    action: audit.Action
    kind: str = Field(
        description="worker, topic, practice, letters, records, retention, database, key, clients"
        " or hold.",
        examples=["practice"],
    )
    subject: str = Field(examples=["lantern-harbour"])
    why: str | None = Field(examples=["complaint of this morning, see ticket 4711"])
    until: AwareDatetime | None = Field(examples=[None])
    count: int = Field(description="How many letters or records, or rows of a purge; else 1.")


def pauses_router(database: Database, pausable: Pausable) -> APIRouter:
    """The router over the API's database, for operators' keys alone."""
    router = APIRouter(prefix="/v1", tags=["controls"])
    refusals = (Unauthorised, Forbidden, Unavailable)

    @router.get("/pauses", responses=responses(*refusals, InvalidCursor))
    def list_pauses(_principal: Reader, page: PageQuery) -> Page[PauseStatus]:
        """List what is paused.

        By kind and subject; what has ended is not listed.
        """
        with database.transaction(operator=True) as tx:
            found = [PauseStatus.of(pause) for pause in pauses.in_force(tx)]
        after = tuple(map(str, page.after or ()))
        rows = [pause for pause in found if _key(pause) > after]
        return page.page(rows[: page.fetch], key=_key)

    @router.post("/pauses", responses=responses(*refusals, NotFound, CannotPause, Conflict))
    def pause(body: PauseBody, principal: Writer) -> Answer:
        """Pause a worker, a topic or a practice.

        It takes effect within seconds. A second call with a later end replaces the first; one with
        an earlier end changes nothing: a pause is never shortened, only resumed.
        """
        request = _request(principal, body, body.until)
        with _refusals(), database.transaction(_practice(body), operator=True) as tx:
            answer = pauses.pause(tx, pausable, request)
        until = answer.in_force.ends_at
        return Answer(changed=answer.changed, paused=True, until=until)

    @router.post(
        "/pauses/resume",
        responses=responses(*refusals, NotFound, CannotPause)
        | {200: json_example({"changed": True, "paused": False, "until": None})},
    )
    def resume(body: ResumeBody, principal: Writer) -> Answer:
        """Resume a worker, a topic or a practice.

        `changed` is false when it was not paused. What is not known here is not found.
        """
        request = _request(principal, body, None)
        with _refusals(), database.transaction(_practice(body), operator=True) as tx:
            return Answer(changed=pauses.resume(tx, pausable, request), paused=False)

    @router.get("/audit", responses=responses(*refusals, InvalidCursor))
    def list_audit(_principal: Reader, page: PageQuery) -> Page[AuditAnswer]:
        """List what operators did, the oldest first.

        Who stopped, started, replayed, dropped, skipped or restored what, and why; and who made,
        rotated or revoked which key.
        """
        after = 0 if page.after is None else int(page.after[0])
        with database.transaction(operator=True) as tx:
            rows = audit.page(tx, after=after, limit=page.fetch)
        return page.page([_entry(row) for row in rows], key=lambda entry: (entry.id,))

    return router


@contextmanager
def _refusals() -> Iterator[None]:
    """Give what cannot be paused or resumed as the problem that the API documents."""
    try:
        yield
    except NotPausable as refused:
        raise CannotPause(str(refused)) from refused
    except NoSuchSubject as refused:
        raise NotFound(str(refused)) from refused
    except PastEnd as refused:
        raise Conflict(str(refused)) from refused


def _key(pause: PauseStatus) -> tuple[str, ...]:
    return (pause.kind, pause.subject)


def _practice(body: ResumeBody) -> str | None:
    """The practice whose rows the transaction must see, to check that it exists."""
    return body.subject if body.kind == "practice" else None


def _request(principal: Principal, body: ResumeBody, ends_at: Any) -> PauseRequest:
    return PauseRequest(f"key {principal.key_id}", body.kind, body.subject, body.why, ends_at)


def _entry(row: Any) -> AuditAnswer:
    return AuditAnswer(
        id=row.id,
        at=row.at,
        who=row.actor,
        action=row.action,
        kind=row.kind,
        subject=row.subject,
        why=row.reason,
        until=row.ends_at,
        count=row.count,
    )
