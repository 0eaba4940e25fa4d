"""Refusals: RFC 9457 problems, with types that never change."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from rapport_runtime.logs import request_served

MEDIA_TYPE = "application/problem+json"
_URN = "urn:rapport:problem:"


class FieldError(BaseModel):
    """One thing wrong with one part of a request; the detail never repeats the value."""

    location: Literal["body", "query", "path", "header", "cookie"]
    pointer: str | None = Field(
        default=None,
        description="Where in the body: a JSON pointer (RFC 6901); empty for the body as a whole."
        " Only for the body.",
        examples=["/items/0/id"],
    )
    parameter: str | None = Field(
        default=None,
        description="The name of the parameter, header or cookie. Not for the body.",
        examples=["limit"],
    )
    reason: str = Field(
        default="invalid", description="The kind of fault, for programs.", examples=["missing"]
    )
    detail: str = Field(description="For people.", examples=["Field required"])


class Problem(BaseModel):
    """A problem detail of RFC 9457; `type` and `reason` are stable, the texts are for people."""

    type: str = Field(examples=[f"{_URN}invalid-request"])
    title: str = Field(examples=["Parts of the request are not valid"])
    status: int = Field(examples=[422])
    reason: str | None = Field(
        default=None,
        description="Why, for programs, where `type` alone does not tell; the same words as in the"
        " outcomes of a batch and in dead letters.",
        examples=["currency-mismatch"],
    )
    detail: str | None = Field(default=None, examples=["1 found"])
    request_id: str | None = Field(default=None, description="Quote it when asking for help.")
    errors: list[FieldError] = Field(default_factory=list)
    next_cursor: str | None = Field(
        default=None,
        description="With `cursor-too-old` alone: the cursor before the first item that is left.",
    )

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """This problem as an HTTP answer, with the id of the request that is being served."""
        answer = self.model_copy(update={"request_id": request_served.get()})
        return Response(
            content=answer.model_dump_json(exclude_none=True),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=dict(headers or {}),
        )


class ProblemError(Exception):
    """A refusal; each subclass names its status, slug and title once.

    `detail` is for people and `reason` for programs; neither repeats personal data. `page` is what
    a browser is shown instead: HTML, for links that a client opens. A route declares the classes
    that it raises with `responses(...)`.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on our side"
    page: ClassVar[str | None] = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        reason: str | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.reason = reason
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def problem(self) -> Problem:
        """The answer's content."""
        return Problem(
            type=_URN + self.slug,
            title=self.title,
            status=self.status,
            reason=self.reason,
            detail=self.detail,
            errors=self.errors,
        )


class BadRequest(ProblemError):
    """The request cannot be read at all."""

    status, slug, title = 400, "bad-request", "The request cannot be read"


class MalformedJson(BadRequest):
    """The body is not the JSON that we accept."""

    slug, title = "malformed-json", "The body is not JSON that can be accepted"


class InvalidCursor(BadRequest):
    """The cursor is not one that this list gave out."""

    slug, title = "invalid-cursor", "The cursor is not one that this list gave out"


class Unauthorised(ProblemError):
    """There is no API key, or it is unknown, revoked or expired."""

    status, slug, title = 401, "unauthorised", "A valid API key is needed"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="rapport"'})


class Forbidden(ProblemError):
    """The key is valid, but does not permit this."""

    status, slug, title = 403, "forbidden", "The API key does not permit this"


class NotFound(ProblemError):
    """It does not exist, or the caller may not know that it does."""

    status, slug, title = 404, "not-found", "There is no such thing here"


class RequestTimedOut(ProblemError):
    """The body did not arrive in time."""

    status, slug, title = 408, "request-timeout", "The body took too long to arrive"


class Conflict(ProblemError):
    """The request contradicts the present state."""

    status, slug, title = 409, "conflict", "The request contradicts what is there"


class CursorTooOld(ProblemError):
    """What comes right after the cursor is no longer kept; `next_cursor` is before what is left."""

    status, slug, title = 410, "cursor-too-old", "What comes after the cursor is no longer kept"

    def __init__(self, detail: str | None = None, *, next_cursor: str) -> None:
        super().__init__(detail)
        self.next_cursor = next_cursor

    @property
    def problem(self) -> Problem:
        return super().problem.model_copy(update={"next_cursor": self.next_cursor})


class BodyTooLarge(ProblemError):
    """The body is longer than the limit; it was not read."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaType(ProblemError):
    """The body is of a media type, or encoded in a way, that is not accepted."""

    status, slug, title = (
        415,
        "unsupported-media-type",
        "The body's media type or encoding is not accepted",
    )


class InvalidRequest(ProblemError):
    """The request can be read, but parts of it are not as the OpenAPI document demands."""

    status, slug, title = 422, "invalid-request", "Parts of the request are not valid"


class TooManyRequests(ProblemError):
    """The caller sends more requests than it may."""

    status, slug, title = 429, "too-many-requests", "Too many requests"

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_seconds: int,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        retry = {"Retry-After": str(retry_after_seconds)}
        super().__init__(detail, reason=reason, headers=retry | dict(headers or {}))


class InternalError(ProblemError):
    """A fault of ours; the log has it under the request's id."""


class Unavailable(ProblemError):
    """Something that the service needs gives no answer; a retry may help."""

    status, slug, title = 503, "unavailable", "The service cannot answer at the moment"

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_seconds: int = 2,
        reason: str | None = None,
    ) -> None:
        headers = {"Retry-After": str(retry_after_seconds)}
        super().__init__(detail, reason=reason, headers=headers)


def problem_of_status(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The problem for a bare status that the framework raised, with its headers (`Allow`)."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(type=_URN + phrase.lower().replace(" ", "-"), title=phrase, status=status)
    return problem.response(headers)


def responses(*kinds: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: the problems that it raises, typed in the OpenAPI document."""
    by_status: dict[int | str, list[type[ProblemError]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "description": "; ".join(dict.fromkeys(map(_described, group))),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, group in by_status.items()
    }


def _described(kind: type[ProblemError]) -> str:
    return f"{kind.title} (`{_URN}{kind.slug}`)"
