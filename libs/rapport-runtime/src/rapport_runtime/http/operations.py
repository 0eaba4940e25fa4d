"""The operations that an app's OpenAPI document shows, each with its route."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts


def shown_operations(
    app: FastAPI, document: Mapping[str, Any]
) -> Iterator[tuple[RouteContext, dict[str, Any]]]:
    """Each route, and an operation of it in the document."""
    for route in iter_route_contexts(app.routes):
        shown = document["paths"].get(route.path_format or "", {})
        for method in route.methods or ():
            if method.lower() in shown:
                yield route, shown[method.lower()]
