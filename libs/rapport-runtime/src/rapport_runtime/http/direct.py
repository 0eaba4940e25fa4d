"""Routes that are asked so often that FastAPI's general way of reading a request is too slow."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from rapport_runtime.http.auth import Requirement


class DirectRoute(APIRoute):
    """A route of one `require…` and path parameters, which it reads straight away (ADR 23).

    Declared, documented and answered as any other; its endpoint is asynchronous and gives a
    `Response`. Raises ValueError for one that needs anything else of the request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: the guard first, then the parameters, as FastAPI does it."""
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
                said = request.path_params[field.alias]
                values[field.name], wrong = field.validate(said, loc=("path", field.alias))
                faults += wrong
            if faults:
                raise RequestValidationError(faults)
            response: Response = await endpoint(**values)
            return response

        return answer
