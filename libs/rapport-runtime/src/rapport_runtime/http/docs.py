"""Pages that show the OpenAPI and AsyncAPI documents, from files of ours: nothing is fetched."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Response

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
