"""A body for any operation, made from its schema, and the places of the texts in it."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from tests.support.access_matrix.document import Operation

Place = tuple[str | int, ...]
_PLAIN: Mapping[str, Any] = {
    "integer": 1,
    "number": 1,
    "boolean": True,
    "null": None,
    "date-time": "2024-06-01T12:00:00Z",
}


def body_of(operation: Operation, document: Mapping[str, Any]) -> Any:
    """A body with every property that the schema names."""
    content = operation.spec["requestBody"]["content"]["application/json"]
    return _sample(content["schema"], document)


def texts_in(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where the texts of a body lie, from outside inward."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_in(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts_in(inner, (*place, index))


def replaced(value: Any, place: Place, by: Any) -> Any:
    """A copy with another value at one place."""
    if not place:
        return by
    made = deepcopy(value)
    inner = made
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = by
    return made


def _sample(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _sample(document["components"]["schemas"][name], document)
    given = [schema[word][0] for word in ("examples", "enum") if schema.get(word)]
    if "const" in schema or given:
        return schema["const"] if "const" in schema else given[0]
    if "properties" in schema:
        return {name: _sample(one, document) for name, one in schema["properties"].items()}
    choices = [schema[word][0] for word in ("oneOf", "anyOf", "allOf") if word in schema]
    if choices:
        return _sample(choices[0], document)
    if schema.get("type") == "array":
        return [_sample(schema.get("items", {}), document)]
    return _PLAIN.get(schema.get("format", ""), _PLAIN.get(schema.get("type", ""), "text"))
