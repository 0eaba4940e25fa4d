"""Schemas inside of schemas become components of an OpenAPI document, so that they have names."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
Parts = dict[str, Any]
_REFERENCE = "#/components/schemas/"


class TwoOfOneName(Exception):
    """Two schemas of one title differ; a component can be only one of them."""


def with_named_parts(document: Document) -> Document:
    """The document in which each object with a title is a component of that name.

    Generated code otherwise names such a part by its place, as `PlaysItemStepsItem`. Raises
    `TwoOfOneName`.
    """
    parts: Parts = {}
    for name, schema in document["components"]["schemas"].items():
        _keep(parts, name, _inside(schema, parts))
    paths = _moved(document["paths"], parts)
    components = {**document["components"], "schemas": dict(sorted(parts.items()))}
    return {**document, "paths": paths, "components": components}


def _moved(node: Any, parts: Parts) -> Any:
    """The node; a reference in its place when it is a part of its own."""
    if isinstance(node, list):
        return [_moved(item, parts) for item in node]
    if not isinstance(node, Mapping):
        return node
    shown = _inside(node, parts)
    if not _is_part(shown):
        return shown
    _keep(parts, shown["title"], shown)
    return {"$ref": f"{_REFERENCE}{shown['title']}"}


def _inside(node: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    return {key: _moved(value, parts) for key, value in node.items()}


def _is_part(node: Mapping[str, Any]) -> bool:
    """Whether it is the schema of an object with a title; a field of that name is none."""
    return isinstance(node.get("title"), str) and isinstance(node.get("properties"), Mapping)


def _keep(parts: Parts, name: str, schema: Any) -> None:
    if parts.setdefault(name, schema) != schema:
        raise TwoOfOneName(name)
