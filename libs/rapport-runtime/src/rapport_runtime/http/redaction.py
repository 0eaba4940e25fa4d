"""The shape of a JSON text without its values, for readers who may not see those."""

import json
from typing import Any

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8
MAX_NAMES = 100
MAX_NAME = 64
MAX_ITEMS = 20

_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def structure(raw: bytes | None) -> Any:
    """The shape of a JSON text; None for no text, for other than JSON, and for more than 1 MiB.

    Objects keep their field names, arrays the distinct shapes of their first items, and every
    other value becomes the name of its JSON type. Depth, names and items are bounded, so that a
    hostile record makes no large answer.
    """
    if raw is None or len(raw) > MAX_BYTES:
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return _shape(value, MAX_DEPTH)


def _shape(value: Any, depth: int) -> Any:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return _object(value, depth) if depth else "object"
    if isinstance(value, list):
        return _array(value, depth) if depth else "array"
    return _TYPES[type(value)]


def _object(value: dict[str, Any], depth: int) -> dict[str, Any]:
    named = list(value.items())[:MAX_NAMES]
    return {_name(name): _shape(inner, depth - 1) for name, inner in named}


def _array(value: list[Any], depth: int) -> list[Any]:
    shapes: list[Any] = []
    for item in value[:MAX_ITEMS]:
        shape = _shape(item, depth - 1)
        if shape not in shapes:
            shapes.append(shape)
    return shapes


def _name(name: str) -> str:
    return name[:MAX_NAME].encode(errors="replace").decode()
