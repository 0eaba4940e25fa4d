"""What of a REST API breaks its callers, seen from the OpenAPI documents of two releases."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.contracts.containment import Containment, Side, found

Document = Mapping[str, Any]
_METHODS = ("get", "put", "post", "patch", "delete", "head", "options")


def rest_breaks(old: Document, new: Document) -> list[str]:
    """One line for each broken promise: where, and what."""
    breaks: list[str] = []
    for path, operations in old["paths"].items():
        there = new["paths"].get(path, {})
        for method in (one for one in _METHODS if one in operations):
            at = f"{method.upper()} {path}"
            if method not in there:
                breaks.append(f"{at}: removed")
            else:
                breaks += _Operation(old, new, at).breaks(operations[method], there[method])
    return breaks


class _Operation:
    """One operation, before and after."""

    def __init__(self, old: Document, new: Document, at: str) -> None:
        self._at = at
        self._documents = (old, new)
        sides: tuple[Side, ...] = ("read", "written")
        self._read, self._written = (Containment(old, new, side) for side in sides)

    def breaks(self, old: Document, new: Document) -> Iterator[str]:
        if "operationId" in old and old["operationId"] != new.get("operationId"):
            yield f"{self._at}: another operationId, by which generated code calls it"
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(old["responses"], new["responses"])
        schemes = new.get("security", [])
        if schemes and not all(scheme in schemes for scheme in old.get("security") or [{}]):
            yield f"{self._at}: needs other credentials now"

    def _parameters(self, old: Document, new: Document) -> Iterator[str]:
        before, now = (
            {(one["in"], one["name"]): one for one in _parameters(document, operation)}
            for document, operation in zip(self._documents, (old, new), strict=True)
        )
        for key, parameter in before.items():
            at = f"{self._at} {key[0]} {key[1]}"
            if key not in now:
                yield f"{at}: removed"
                continue
            if now[key].get("required") and not parameter.get("required"):
                yield f"{at}: is required now"
            yield from self._read.breaks(parameter["schema"], now[key]["schema"], at)
        for key in now.keys() - before.keys():
            if now[key].get("required"):
                yield f"{self._at} {key[0]} {key[1]}: is required now"

    def _body(self, old: Document | None, new: Document | None) -> Iterator[str]:
        at = f"{self._at} body"
        if old is None:
            if new is not None and new.get("required"):
                yield f"{at}: is required now"
        elif new is None:
            yield f"{at}: removed"
        else:
            if new.get("required") and not old.get("required"):
                yield f"{at}: is required now"
            yield from _contents(self._read, old, new, at)

    def _answers(self, old: Document, new: Document) -> Iterator[str]:
        for status, answer in old.items():
            at = f"{self._at} {status}"
            if status not in new:
                yield f"{at}: removed"
                continue
            yield from _contents(self._written, answer, new[status], at)
            for name in answer.get("headers", {}).keys() - new[status].get("headers", {}).keys():
                yield f"{at} header {name}: removed"
        for status in new.keys() - old.keys():
            if status[0] in "23":
                yield f"{self._at} {status}: another success, which callers do not know"


def _parameters(document: Document, operation: Document) -> Iterator[Document]:
    """An operation's parameters, those that it only refers to as well."""
    for one in operation.get("parameters", ()):
        yield found(document, one["$ref"]) if "$ref" in one else one


def _contents(rule: Containment, old: Document, new: Document, at: str) -> Iterator[str]:
    """Of a body in each of its media types."""
    now = new.get("content", {})
    for media_type, content in old.get("content", {}).items():
        if media_type not in now:
            yield f"{at} {media_type}: removed"
        elif "schema" in content:
            yield from rule.breaks(content["schema"], now[media_type].get("schema", {}), at)
