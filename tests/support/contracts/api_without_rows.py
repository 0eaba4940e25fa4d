"""The three apps without servers: any key holds, and whatever needs the database is a 503."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.examples import Examples
from rapport_runtime.http.fast.remembered_keys import RememberedKeys
from tests.support.access_matrix.document import Operation, operations
from tests.support.contracts import documents
from tests.support.servers.app_calls import ask

OPERATOR = "operator"
"""The key of an operator; any other text is a key of the practice `lantern-harbour`."""


@dataclass(frozen=True)
class OfService:
    """One operation and the service that it belongs to."""

    service: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.service.removesuffix('-service')} {self.operation.label}"

    @property
    def document(self) -> dict[str, Any]:
        """The whole document of the service."""
        return app(self.service).openapi()

    @property
    def address(self) -> str:
        """The path with the examples of its parameters."""
        examples = Examples(self.document["components"]["schemas"])
        values = {
            one["name"]: quote(str(examples.of(one["schema"])), safe="")
            for one in self.operation.spec.get("parameters", ())
            if one.get("in") == "path"
        }
        return self.operation.address(**values)

    def requests(self) -> Iterator[Any]:
        """The examples of its body."""
        yield from _examples(self.operation.spec.get("requestBody", {}))

    def answers(self) -> Iterator[tuple[str, Any]]:
        """Each status that is a success with a body, and the examples of it."""
        for status, answer in self.operation.spec["responses"].items():
            if status < "300" and answer.get("content"):
                yield status, list(_examples(answer))

    def call(
        self,
        method: str | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """One request with a key that may do it."""
        key = OPERATOR if self.operation.holder == "operator" else "practice"
        return ask(
            app(self.service),
            method or self.operation.method,
            self.address + query,
            headers={"Authorization": f"Bearer {key}", **(headers or {})},
            **more,
        )


class _AnyKey:
    """Everybody may do everything."""

    def __init__(self, scopes: frozenset[str]) -> None:
        self._scopes = scopes

    def verify(self, raw_key: str) -> Principal:
        practice = None if raw_key == OPERATOR else "lantern-harbour"
        return Principal(raw_key, practice, self._scopes)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        return {key: self.verify(key) for key in raw_keys}


@cache
def app(service: str) -> FastAPI:
    """The service's app, which no database stands behind."""
    made = documents.APPS[service]()
    scopes = {one.scope for one in operations(made.openapi()) if one.scope}
    made.state.keys = RememberedKeys(_AnyKey(frozenset(scopes)))
    return made


def every_operation() -> list[OfService]:
    """Of all three services."""
    return [
        OfService(service, operation)
        for service in documents.APPS
        for operation in operations(app(service).openapi())
    ]


def _examples(shown: dict[str, Any]) -> Iterator[Any]:
    for media in shown.get("content", {}).values():
        if "example" in media:
            yield media["example"]
        yield from (one["value"] for one in media.get("examples", {}).values())
