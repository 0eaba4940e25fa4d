"""The routes that an app's OpenAPI document shows, and their operations in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts


def shown_routes(app: FastAPI) -> Iterator[RouteContext]:
    """Each route that the document shows. To make the document takes a second; to look at the
    routes does not."""
    return (
        route
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema
    )


def shown_operations(
    app: FastAPI, document: Mapping[str, Any]
) -> Iterator[tuple[RouteContext, dict[str, Any]]]:
    """Each route, and an operation of it in the document."""
    for route in iter_route_contexts(app.routes):
        shown = document["paths"].get(route.path_format or "", {})
        for method in route.methods or ():
            if method.lower() in shown:
                yield route, shown[method.lower()]
