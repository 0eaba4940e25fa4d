"""The OpenAPI document of an app: what FastAPI knows, and what all of our operations share."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext

from rapport_runtime.http.auth import SCHEME, Requirement, guards
from rapport_runtime.http.edge import REQUEST_ID
from rapport_runtime.http.examples import add_examples
from rapport_runtime.http.links import link
from rapport_runtime.http.named_parts import with_named_parts
from rapport_runtime.http.operations import shown_operations
from rapport_runtime.http.problems import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    InternalError,
    InvalidRequest,
    NotFound,
    Problem,
    ProblemError,
    RequestTimedOut,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    UnsupportedMediaType,
    responses,
)

_ALWAYS = (BadRequest, UnsupportedMediaType, InternalError, Unavailable)
_WITH_BODY = (RequestTimedOut, BodyTooLarge, InvalidRequest)
_WITH_KEY = (Unauthorised, Forbidden, InvalidRequest, TooManyRequests)
_REQUEST_ID = {
    "name": REQUEST_ID,
    "in": "header",
    "required": False,
    "description": "Names the request in our logs and in the answer; of 1 to 64 letters, digits"
    " and `._:-`, else we draw one.",
    "schema": {"type": "string"},
}
_ANSWERS_REQUEST_ID = {
    "description": "Quote it when asking for help.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
}
_WAITING: Mapping[str, Mapping[str, Any]] = {
    "Retry-After": {
        "description": "The seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Policy": {
        "description": "With the reason `rate-exceeded`: how many calls (`q`) a practice may make"
        " in so many seconds (`w`).",
        "schema": {"type": "string", "examples": ['"practice";q=500;w=1']},
    },
    "RateLimit": {
        "description": "With the reason `rate-exceeded`: how many calls are left (`r`) until more"
        " come in so many seconds (`t`).",
        "schema": {"type": "string", "examples": ['"practice";r=0;t=1']},
    },
}
"""The fields of an answer that tells a caller to wait."""
HOLDER = "x-key-holder"
"""The field of each operation that names whose keys it takes: `practice`, `operator`, `anyone`."""
_REFERENCE = "#/components/schemas/{model}"
_SERVERS = [{"url": "/", "description": "The service that serves this document."}]
_OF_THE_RUNTIME = {
    "status": "How far the service has come, for operators.",
    "controls": "Operators pause and resume; the audit of what they did.",
    "keys": "Which key you have, and what it may do.",
    "dead-letters": "Records that were set aside because they could not be handled.",
}
STAYS_OPEN = "x-stays-open"
"""True for an operation whose answer goes on: a generated client that reads answers whole gets
nothing until it ends."""
_STREAM = "text/event-stream"


def openapi(app: FastAPI, tags: Mapping[str, str]) -> dict[str, Any]:
    """The OpenAPI 3.1 document; `tags` describe the groups of the service's own routes.

    It names every status that can happen, with the shape of the problem, and for every operation
    whose key with which scope it takes. The first paragraph of a route's docstring is the
    operation's summary.
    """
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=_SERVERS,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template=_REFERENCE)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    document["components"]["parameters"] = {"RequestId": _REQUEST_ID}
    document["components"]["headers"] = {"RequestId": _ANSWERS_REQUEST_ID, **_WAITING}
    for route, operation in shown_operations(app, document):
        _summarise(operation)
        _add_requirement(operation, _requirement(route))
        _add_problems(operation)
        _add_next_page_link(operation)
        _add_request_id(operation)
        _add_waiting(operation)
        _describe_stream(operation)
    document["tags"] = list(_tags(document, {**_OF_THE_RUNTIME, **tags}))
    document = with_named_parts(document)
    add_examples(document)
    return document


def _requirement(route: RouteContext) -> Requirement | None:
    required = (one for one in guards(route.dependant) if isinstance(one, Requirement))
    return next(required, None)


def _summarise(operation: dict[str, Any]) -> None:
    first, _, rest = operation.get("description", "").partition("\n\n")
    operation["summary"] = " ".join(first.split()).removesuffix(".")
    operation["description"] = rest


def _add_requirement(operation: dict[str, Any], requirement: Requirement | None) -> None:
    if requirement is None:
        operation["security"] = []
        return
    operation["security"] = [{SCHEME: [requirement.scope] if requirement.scope else []}]
    operation[HOLDER] = requirement.holder.name.lower()
    needs = f"Needs {requirement.holder.value}."
    if requirement.scope:
        needs = f"Needs {requirement.holder.value} with the scope `{requirement.scope}`."
    operation["description"] = f"{operation['description']}\n\n{needs}".strip()


def _add_problems(operation: dict[str, Any]) -> None:
    """Add the problems of edge, guards and framework to those that the route declares."""
    kinds: list[type[ProblemError]] = list(_ALWAYS)
    if "requestBody" in operation:
        kinds += _WITH_BODY
    if operation["security"]:
        kinds += _WITH_KEY
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        kinds.append(NotFound)  # a slash in it makes the address another one
    declared = operation["responses"]
    if _is_frameworks(declared.get("422", {})):
        declared.pop("422")
        kinds.append(InvalidRequest)
    for status, response in responses(*kinds).items():
        declared.setdefault(str(status), response)
    operation["responses"] = dict(sorted(declared.items()))


def _add_next_page_link(operation: dict[str, Any]) -> None:
    """A list that takes a cursor leads to its own next page."""
    names = {one["name"]: one["in"] for one in operation.get("parameters", ())}
    if "cursor" not in names or "application/json" not in operation["responses"]["200"]["content"]:
        return
    same = {name: f"$request.{place}.{name}" for name, place in names.items() if place == "path"}
    following = link(operation["operationId"], same | {"cursor": "$response.body#/next_cursor"})
    operation["responses"]["200"].setdefault("links", {})["next"] = following


def _add_request_id(operation: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/parameters/RequestId"}
    operation["parameters"] = [*operation.get("parameters", ()), reference]
    for response in operation["responses"].values():
        response.setdefault("headers", {})[REQUEST_ID] = {"$ref": "#/components/headers/RequestId"}


def _add_waiting(operation: dict[str, Any]) -> None:
    """Name the fields that tell a caller when to come back."""
    for status, names in (("429", tuple(_WAITING)), ("503", ("Retry-After",))):
        if status in operation["responses"]:
            headers = operation["responses"][status].setdefault("headers", {})
            headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _describe_stream(operation: dict[str, Any]) -> None:
    """Say of server-sent events what OpenAPI 3.1 can: `itemSchema` came with 3.2. The schema is
    open, for some tools hold it against the whole text and some against each event."""
    content = operation["responses"].get("200", {}).get("content", {}).get(_STREAM)
    if content is not None:
        content.pop("itemSchema", None)
        content.setdefault("schema", {})
        operation[STAYS_OPEN] = True


def _tags(document: dict[str, Any], described: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The groups of the document in its order, each with its description."""
    operations = (one for path in document["paths"].values() for one in path.values())
    names = (name for operation in operations for name in operation.get("tags", ()))
    for name in dict.fromkeys(names):
        yield {"name": name, "description": described.get(name, "")}


def _is_frameworks(response: dict[str, Any]) -> bool:
    return "application/json" in response.get("content", {})
