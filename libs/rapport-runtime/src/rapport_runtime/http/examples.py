"""An example for each body and answer of an OpenAPI document, made from those of its fields."""

from collections.abc import Iterator, Mapping
from typing import Any

_JSON = "application/json"
_PARTS = "#/components/schemas/"
_BY_FORMAT = {"date-time": "2026-03-02T09:30:00Z", "date": "2026-03-02"}
NOTHING_SAID = "no example"
"""Stands where a text has neither an example nor a list of values; a test refuses it."""

Document = Mapping[str, Any]
Schema = Mapping[str, Any]


def add_examples(document: Document) -> None:
    """Give each JSON body and each successful JSON answer an example, unless its route gave one.

    What a model or a route gave gets its nulls back, which FastAPI leaves out.
    """
    parts = document["components"]["schemas"]
    examples = Examples(parts)
    for part in parts.values():
        if "examples" in part:
            part["examples"] = [examples.with_nulls(one, part) for one in part["examples"]]
    for media in _media_types(document):
        if "example" in media:
            media["example"] = examples.with_nulls(media["example"], media["schema"])
        elif "schema" in media and "examples" not in media:
            media["example"] = examples.of(media["schema"])


def json_example(value: Any) -> dict[str, Any]:
    """For a status in a route's `responses=`: the answer that the document shows for it."""
    return {"content": {_JSON: {"example": value}}}


class Examples:
    """Makes values that schemas permit.

    The first of a schema's own `examples` counts; else an object has all its fields, a list one
    item, and of several alternatives the first that is not null is taken.
    """

    def __init__(self, parts: Mapping[str, Schema]) -> None:
        self._parts = parts

    def of(self, schema: Schema) -> Any:
        """A value of this schema."""
        if schema.get("examples"):
            return schema["examples"][0]
        if "$ref" in schema:
            return self.of(self._parts[schema["$ref"].removeprefix(_PARTS)])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.of(next(one for one in schema[word] if one.get("type") != "null"))
        return _fixed(schema) if _is_fixed(schema) else self._of_type(schema)

    def with_nulls(self, value: Any, schema: Schema) -> Any:
        """The value, with null for each field that its schema requires and that it lacks."""
        if "$ref" in schema:
            return self.with_nulls(value, self._parts[schema["$ref"].removeprefix(_PARTS)])
        for one in schema.get("anyOf", ()):
            if one.get("type") != "null" and value is not None:
                return self.with_nulls(value, one)
        if isinstance(value, list) and "items" in schema:
            return [self.with_nulls(one, schema["items"]) for one in value]
        if not isinstance(value, Mapping) or "properties" not in schema:
            return value
        fields = schema["properties"]
        given = {name: self.with_nulls(one, fields.get(name, {})) for name, one in value.items()}
        return {**dict.fromkeys(schema.get("required", ())), **given}

    def _of_type(self, schema: Schema) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema)
            case "array":
                return [self.of(schema["items"])] if "items" in schema else []
            case "boolean":
                return True
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "string":
                return _BY_FORMAT.get(schema.get("format", ""), NOTHING_SAID)
            case _:
                return None

    def _object(self, schema: Schema) -> dict[str, Any]:
        named = {name: self.of(one) for name, one in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        if not named and isinstance(others, Mapping):
            return {"name": self.of(others)}
        return named


def _is_fixed(schema: Schema) -> bool:
    return bool(schema.keys() & {"const", "enum"}) or schema.get("default") is not None


def _fixed(schema: Schema) -> Any:
    if "const" in schema:
        return schema["const"]
    return schema["default"] if schema.get("default") is not None else schema["enum"][0]


def _media_types(document: Document) -> Iterator[dict[str, Any]]:
    """The JSON of each request and of each answer that is a success."""
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"].items()
            contents = [one.get("content", {}) for status, one in answers if status < "300"]
            for content in (operation.get("requestBody", {}).get("content", {}), *contents):
                if _JSON in content:
                    yield content[_JSON]
