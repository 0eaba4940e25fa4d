"""An OpenAPI document taken apart: which operations there are, and whose key each one takes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "put", "post", "delete", "patch")
_NAME = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the document describes it."""

    method: str
    path: str
    spec: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Method and path, as a person would name it."""
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str | None:
        """What a key must be allowed to do; None where no key is asked for."""
        scopes = [scope for one in self.spec.get("security", ()) for scope in one.get("ApiKey", ())]
        return scopes[0] if scopes else None

    @property
    def holder(self) -> str:
        """Whose keys it takes: practice, operator or anyone; nobody where no key is asked for."""
        return str(self.spec.get("x-key-holder", "nobody"))

    @property
    def has_body(self) -> bool:
        """Whether it takes a body of JSON."""
        return "application/json" in self.spec.get("requestBody", {}).get("content", {})

    def parameters(self, place: str) -> list[str]:
        """The names of its parameters in path, query or header."""
        return [one["name"] for one in self.spec.get("parameters", ()) if one.get("in") == place]

    def address(self, **values: str) -> str:
        """The path with its parameters filled in; one that is not given becomes `unknown`."""
        return _NAME.sub(lambda name: values.get(name[1], "unknown"), self.path)


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation of a document."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield Operation(method.upper(), path, methods[method])
