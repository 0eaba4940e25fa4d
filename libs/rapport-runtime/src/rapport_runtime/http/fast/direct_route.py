"""A route that reads its parameters itself, for where FastAPI's own way is too slow."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from rapport_runtime.http.auth import Requirement


class DirectRoute(APIRoute):
    """A route with one guard (`require…`), and path and optional query parameters, which it reads
    itself.

    It is declared and documented as any other, and gives the same answers. Its endpoint is
    asynchronous and gives a `Response`. Raises ValueError, when the app is made, for an endpoint
    that needs anything else of the request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that answers a request: guard, then parameters, in FastAPI's order."""
        endpoint = self.endpoint
        guard, principal = self._guard()
        read = self._reader()

        async def answer(request: Request) -> Response:
            admitted = await guard(request)
            response: Response = await endpoint(**{principal: admitted}, **read(request))
            return response

        return answer

    def _guard(self) -> tuple[Requirement, str]:
        """The one guard, and the name by which the endpoint takes its principal."""
        dependencies = self.dependant.dependencies
        if len(dependencies) == 1:
            guard, principal = dependencies[0].call, dependencies[0].name
            if isinstance(guard, Requirement) and principal is not None:
                return guard, principal
        raise ValueError(f"{self.path}: its one dependency must be a guard's principal")

    def _reader(self) -> Callable[[Request], dict[str, Any]]:
        """What reads the parameters' values, by name; it raises `RequestValidationError`."""
        needs = self.dependant
        if needs.header_params or needs.cookie_params or needs.body_params:
            raise ValueError(f"{self.path}: needs more than a guard and parameters")
        if any(field.field_info.is_required() for field in needs.query_params):
            raise ValueError(f"{self.path}: its query parameters must be optional")
        defaults = {field.name: field.get_default() for field in needs.query_params}

        def read(request: Request) -> dict[str, Any]:
            values, faults = dict(defaults), list[Any]()
            given = [
                ("path", field, request.path_params[field.alias]) for field in needs.path_params
            ]
            if request.scope["query_string"]:
                query = request.query_params
                given += [
                    ("query", field, query[field.alias])
                    for field in needs.query_params
                    if field.alias in query
                ]
            for place, field, text in given:
                values[field.name], wrong = field.validate(text, loc=(place, field.alias))
                faults += wrong
            if faults:
                raise RequestValidationError(faults)
            return values

        return read
