"""Exceptions become problems: what the answer is for each kind of failure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from rapport_runtime.db_errors import DatabaseError, is_transient
from rapport_runtime.http.problems import (
    FieldError,
    InvalidRequest,
    ProblemError,
    Unavailable,
    problem_of_status,
)
from rapport_runtime.logs import describe, get_logger

AWAY = (*DatabaseError, PoolTimeout)
"""The exceptions that a statement may raise; `is_away` decides whether a retry may help."""

_NOT_ALLOWED = 405
log = get_logger(__name__)
MOST_FIELD_ERRORS = 100
"""So many faults are listed in one answer: a body of 1 MiB has room for 100,000."""
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})


def install(app: FastAPI) -> None:
    """Make `app` answer with a problem whatever exception its routes raise."""
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(HTTPException, _of_status)
    app.add_exception_handler(RequestValidationError, _of_validation)
    for away in AWAY:
        app.add_exception_handler(away, _of_database)


def is_away(error: Exception) -> bool:
    """Whether the database gave no answer for now; False when it refused the statement."""
    return isinstance(error, PoolTimeout) or is_transient(error)


def field_errors(faults: Sequence[Any]) -> list[FieldError]:
    """The first 100 of pydantic's errors in our shape: where and why, never the value."""
    return [_field_error(fault) for fault in faults[:MOST_FIELD_ERRORS]]


def pointer(steps: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) to what these steps lead to; empty for none."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(f"/{step}" for step in escaped)


def _field_error(fault: Mapping[str, Any]) -> FieldError:
    loc: tuple[str | int, ...] = tuple(fault["loc"])
    place = str(loc[0]) if loc and loc[0] in _PLACES else "body"
    inner = loc[1:] if loc and loc[0] in _PLACES else loc
    in_body = place == "body"
    return FieldError(
        location=cast(Literal["body", "query", "path", "header", "cookie"], place),
        pointer=pointer(inner) if in_body else None,
        parameter=None if in_body else ".".join(map(str, inner)),
        reason=str(fault.get("type", "invalid")).replace("_", "-"),
        detail=str(fault["msg"]).removeprefix("Value error, "),
    )


def _of_problem(request: Request, error: Exception) -> Response:
    refused = cast(ProblemError, error)
    if refused.page is not None and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(refused.page, refused.status, refused.headers)
    return refused.problem.response(refused.headers)


def _of_status(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    headers = dict(raised.headers or {})
    if raised.status_code == _NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_of(request))
    return problem_of_status(raised.status_code, headers)


def _methods_of(request: Request) -> list[str]:
    """The methods of all routes of this path; the framework names the first route's only. Of
    `/clients/lookup` and `/clients/{client_id}` the path is the one with fewer parameters, of
    `/sources/{source:path}` and `/sources/{source:path}/try` the longer one."""
    path = request.scope["path"]
    here = [one for one in iter_route_contexts(request.app.routes) if one.path_regex.match(path)]
    closest = min(map(_distance, here), default=None)
    nearest = (one for one in here if _distance(one) == closest)
    methods = {method for route in nearest for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _distance(route: Any) -> tuple[int, int]:
    return len(route.param_convertors), -len(route.path_format)


def _of_validation(request: Request, error: Exception) -> Response:
    faults = cast(RequestValidationError, error).errors()
    detail = f"{len(faults)} found"
    if len(faults) > MOST_FIELD_ERRORS:
        detail += f"; the first {MOST_FIELD_ERRORS} are listed"
    return _of_problem(request, InvalidRequest(detail, errors=field_errors(faults)))


def unavailable(error: Exception) -> Unavailable | None:
    """The refusal when the database gave no answer for now; None for any other exception."""
    if not isinstance(error, AWAY) or not is_away(error):
        return None
    log.warning("database_away", error=describe(error))
    return Unavailable("the database did not answer")


def _of_database(request: Request, error: Exception) -> Response:
    refused = unavailable(error)
    if refused is None:
        raise error
    return _of_problem(request, refused)
