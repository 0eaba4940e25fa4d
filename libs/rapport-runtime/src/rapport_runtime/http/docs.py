"""The OpenAPI and AsyncAPI documents and their pages, from files of ours: nothing is fetched."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from rapport_runtime.http.auth import SCHEME, Requirement, guards
from rapport_runtime.http.edge import REQUEST_ID
from rapport_runtime.http.links import link
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

_SWAGGER = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "LICENSE": "text/plain",
}
_ASYNCAPI = {"asyncapi-viewer.js": "text/javascript", "LICENSE": "text/plain"}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
"""
_START = """// Starts Swagger UI on our own document; the online validator stays off.
window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
  });
};
"""
_EVENTS_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Events</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"></head>
<body><asyncapi-viewer src="/asyncapi.json" sidebar></asyncapi-viewer>
<script src="/docs/events/asyncapi-viewer.js"></script></body>
</html>
"""
# Swagger UI sets style attributes and draws its icons from data addresses; scripts are files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EVENTS = {"description": "The events on the bus", "url": "/docs/events"}
_ALWAYS = (BadRequest, UnsupportedMediaType, InternalError, Unavailable)
_WITH_BODY = (RequestTimedOut, BodyTooLarge, InvalidRequest)
_WITH_KEY = (Unauthorised, Forbidden, TooManyRequests)
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
HOLDER = "x-key-holder"
"""The field of each operation that names whose keys it takes: `practice`, `operator`, `anyone`."""
_REFERENCE = "#/components/schemas/{model}"


def docs_router(app: FastAPI, events: Mapping[str, Any] | None) -> APIRouter:
    """`/openapi.json` and `/docs`; and with an AsyncAPI document `/asyncapi.json`, `/docs/events`.

    They need no key: they describe, and hold no data (F40, F41).
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def document() -> dict[str, Any]:
        return app.openapi()

    _add_page(router, "/docs", _PAGE)
    _add_assets(router, "/docs", "swagger-ui", _SWAGGER)
    router.add_api_route("/docs/start.js", _start_script, methods=["GET"])
    if events is not None:

        @router.get("/asyncapi.json")
        def bus() -> Mapping[str, Any]:
            return events

        _add_page(router, "/docs/events", _EVENTS_PAGE)
        _add_assets(router, "/docs/events", "asyncapi-viewer", _ASYNCAPI)
    return router


def _add_page(router: APIRouter, path: str, text: str) -> None:
    @router.get(path)
    def page() -> Response:
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _start_script() -> Response:
    return _file(_START.encode(), "text/javascript")


def _add_assets(router: APIRouter, path: str, folder: str, names: Mapping[str, str]) -> None:
    for name, media_type in names.items():
        asset = _Asset(f"{folder}/{name}", media_type)
        router.add_api_route(f"{path}/{name}", asset, methods=["GET"])


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    It names every status that can happen, with the shape of the problem, and for every operation
    whose key with which scope it takes.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    if app.openapi_external_docs:  # FastAPI's own model refuses a relative address
        document["externalDocs"] = app.openapi_external_docs
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template=_REFERENCE)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    document["components"]["parameters"] = {"RequestId": _REQUEST_ID}
    document["components"]["headers"] = {"RequestId": _ANSWERS_REQUEST_ID}
    for operation, requirement in _operations(app, document):
        if requirement is not None:
            _add_requirement(operation, requirement)
        _add_problems(operation)
        _add_next_page_link(operation)
        _add_request_id(operation)
    return document


def _operations(
    app: FastAPI, document: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], Requirement | None]]:
    for context in iter_route_contexts(app.routes):
        shown = document.get("paths", {}).get(context.path_format, {})
        required = [one for one in guards(context.dependant) if isinstance(one, Requirement)]
        for method in context.methods or ():
            if method.lower() in shown:
                yield shown[method.lower()], next(iter(required), None)


def _add_requirement(operation: dict[str, Any], requirement: Requirement) -> None:
    operation["security"] = [{SCHEME: [requirement.scope]}]
    operation[HOLDER] = requirement.holder.name.lower()
    needs = f"Needs {requirement.holder.value} with the scope `{requirement.scope}`."
    operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()


def _add_problems(operation: dict[str, Any]) -> None:
    """Add the problems of edge, guards and framework to those that the route declares."""
    kinds: list[type[ProblemError]] = list(_ALWAYS)
    if "requestBody" in operation:
        kinds += _WITH_BODY
    if "security" in operation:
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
    if "cursor" not in names:
        return
    same = {name: f"$request.{place}.{name}" for name, place in names.items() if place == "path"}
    following = link(operation["operationId"], same | {"cursor": "$response.body#/next_cursor"})
    operation["responses"]["200"].setdefault("links", {})["next"] = following


def _add_request_id(operation: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/parameters/RequestId"}
    operation["parameters"] = [*operation.get("parameters", ()), reference]
    for response in operation["responses"].values():
        response.setdefault("headers", {})[REQUEST_ID] = {"$ref": "#/components/headers/RequestId"}


def _is_frameworks(response: dict[str, Any]) -> bool:
    return "application/json" in response.get("content", {})


class _Asset:
    """Serves one vendored file, which is read at the first request for it."""

    def __init__(self, place: str, media_type: str) -> None:
        self._place = place
        self._media_type = media_type
        self._content: bytes | None = None

    def __call__(self) -> Response:
        if self._content is None:
            place = files("rapport_runtime") / "http" / "vendor" / self._place
            self._content = place.read_bytes()
        return _file(self._content, self._media_type)


def _file(content: bytes, media_type: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Cache-Control": "public, max-age=3600"}
    )
