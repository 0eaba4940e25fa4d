"""A route that reads its path parameters itself, for where FastAPI's own way is too slow."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from rapport_runtime.http.auth import Requirement


class DirectRoute(APIRoute):
    """A route with one guard (`require…`) and path parameters, which it reads itself.

    It is declared and documented as any other, and gives the same answers. Its endpoint is
    asynchronous and gives a `Response`. Raises ValueError, when the app is made, for an endpoint
    that needs anything else of the request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that answers a request: guard, then parameters, in FastAPI's order."""
        needs, endpoint = self.dependant, self.endpoint
        more = (needs.query_params, needs.header_params, needs.cookie_params, needs.body_params)
        if any(more) or len(needs.dependencies) != 1:
            raise ValueError(f"{self.path}: needs more than a guard and path parameters")
        guard, principal = needs.dependencies[0].call, needs.dependencies[0].name
        if not isinstance(guard, Requirement) or principal is None:
            raise ValueError(f"{self.path}: its one dependency must be a guard's principal")

        async def answer(request: Request) -> Response:
            values: dict[str, Any] = {principal: await guard(request)}
            faults: list[Any] = []
            for field in needs.path_params:
                text = request.path_params[field.alias]
                values[field.name], wrong = field.validate(text, loc=("path", field.alias))
                faults += wrong
            if faults:
                raise RequestValidationError(faults)
            response: Response = await endpoint(**values)
            return response

        return answer
