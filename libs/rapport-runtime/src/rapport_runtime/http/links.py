"""OpenAPI links: which operation takes which value of an answer, for tools and for people."""

from collections.abc import Mapping
from typing import Any

Parameters = Mapping[str, str]


def links(status: int, targets: Mapping[str, Parameters]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: operation id -> which of its parameters come from where.

    Values are runtime expressions of OpenAPI, such as `$response.body#/client_id`.
    """
    shown = {target: link(target, parameters) for target, parameters in targets.items()}
    return {status: {"links": shown}}


def link(target: str, parameters: Parameters) -> dict[str, Any]:
    """One link to an operation."""
    return {"operationId": target, "parameters": dict(parameters)}
