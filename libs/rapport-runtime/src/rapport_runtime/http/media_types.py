"""A body of another media type than the operation takes is refused by name.

The framework would hand it on unread, and answer that the whole body has a wrong shape.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import RouteContext

from rapport_runtime.http.operations import shown_routes
from rapport_runtime.http.problems import UnsupportedMediaType

JSON = "application/json"
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)


def is_json(content_type: str) -> bool:
    """Whether a Content-Type names JSON: `application/json`, or `application/…+json`."""
    return _JSON.match(content_type) is not None


def takes_json_only(app: FastAPI) -> frozenset[Any]:
    """The endpoints whose body, by the OpenAPI document, is JSON and nothing else."""
    return frozenset(
        route.endpoint for route in shown_routes(app) if set(_media_types(route)) == {JSON}
    )


def refuse_other_media(request: Request) -> None:
    """Raise `UnsupportedMediaType` for a body that is not declared as JSON where it must be."""
    if request.scope["endpoint"] not in request.app.state.takes_json_only or not _has_body(request):
        return
    if not is_json(request.headers.get("content-type", "")):
        raise UnsupportedMediaType(f"send the body with Content-Type: {JSON}")


def _media_types(route: RouteContext) -> Iterator[str]:
    if route.body_field is not None:
        yield route.body_field.field_info.media_type
    yield from (route.openapi_extra or {}).get("requestBody", {}).get("content", ())


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
