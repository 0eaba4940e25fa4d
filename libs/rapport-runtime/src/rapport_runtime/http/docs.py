"""The OpenAPI and AsyncAPI documents and their pages, from our own files: nothing is fetched."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi

from rapport_runtime.http.problems import MEDIA_TYPE, Problem

_SWAGGER = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
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
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_REFERENCE = "#/components/schemas/{model}"


def docs_router(app: FastAPI, events: Mapping[str, Any] | None) -> APIRouter:
    """`/openapi.json` and `/docs`; and with an AsyncAPI document `/asyncapi.json`, `/docs/events`.

    Open to everyone, they describe and hold nothing (F40, F41).
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def document() -> dict[str, Any]:
        return app.openapi()

    _add_page(router, "/docs", _PAGE)
    _add_assets(router, "/docs", "swagger", _SWAGGER)
    if events is not None:

        @router.get("/asyncapi.json")
        def bus() -> Mapping[str, Any]:
            return events

        _add_page(router, "/docs/events", _EVENTS_PAGE)
        _add_assets(router, "/docs/events", "asyncapi", _ASYNCAPI)
    return router


def _add_page(router: APIRouter, path: str, text: str) -> None:
    @router.get(path)
    def page() -> Response:
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _add_assets(router: APIRouter, path: str, folder: str, names: Mapping[str, str]) -> None:
    for name, media_type in names.items():
        asset = _Asset(f"{folder}/{name}", media_type)
        router.add_api_route(f"{path}/{name}", asset, methods=["GET"])


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, with problems instead of the framework's own errors."""
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
    for path in document.get("paths", {}).values():
        for operation in path.values():
            answers = operation["responses"]
            if "422" in answers:
                answers["422"] = {"description": "Parts of the request are not valid"} | _PROBLEM
            answers.setdefault("default", {"description": "Any other problem"} | _PROBLEM)
    return document


class _Asset:
    """Serves one vendored file, read when it is asked for first."""

    def __init__(self, place: str, media_type: str) -> None:
        self._place = place
        self._media_type = media_type
        self._content: bytes | None = None

    def __call__(self) -> Response:
        if self._content is None:
            place = files("rapport_runtime") / "http" / self._place
            self._content = place.read_bytes()
        return Response(
            self._content,
            media_type=self._media_type,
            headers={"Cache-Control": "public, max-age=3600"},
        )
