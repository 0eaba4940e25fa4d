"""Examples are made from what schemas say, and parts of schemas get their names."""

from typing import Any

import pytest

from rapport_runtime.http.examples import NOTHING_SAID, Examples, add_examples
from rapport_runtime.http.named_parts import TwoOfOneName, with_named_parts

CUP: dict[str, Any] = {
    "title": "Cup",
    "type": "object",
    "properties": {"glaze": {"type": "string", "examples": ["celadon", "tenmoku"]}},
}
EXAMPLES = Examples({"Cup": CUP})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"$ref": "#/components/schemas/Cup"}, {"glaze": "celadon"}, id="a reference"),
        pytest.param({"anyOf": [{"type": "null"}, {"const": 4}]}, 4, id="what is not null"),
        pytest.param({"enum": ["whole", "cracked"], "type": "string"}, "whole", id="one of some"),
        pytest.param({"type": "integer", "minimum": 3}, 3, id="the least"),
        pytest.param({"type": "integer", "default": 0, "minimum": 0}, 0, id="a default of nothing"),
        pytest.param({"type": "boolean", "default": False}, False, id="a default of no"),
        pytest.param({"type": "array", "items": CUP}, [{"glaze": "celadon"}], id="one item"),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            {"name": True},
            id="a map",
        ),
        pytest.param(
            {"type": "string", "format": "date-time"}, "2026-03-02T09:30:00Z", id="an instant"
        ),
        pytest.param({"type": "string"}, NOTHING_SAID, id="a text of which nothing is said"),
        pytest.param({"anyOf": [{"type": "string"}], "examples": [None]}, None, id="its own null"),
    ],
)
def test_an_example_is_what_the_schema_says(schema: dict[str, Any], value: object) -> None:
    assert EXAMPLES.of(schema) == value


def a_document(body: Any, answer: Any) -> dict[str, Any]:
    operation = {
        "requestBody": {"content": {"application/json": body}},
        "responses": {
            "200": {"content": {"application/json": answer}},
            "404": {"content": {"application/json": {"schema": CUP}}},
        },
    }
    return {"paths": {"/cups": {"post": operation}}, "components": {"schemas": {}}}


def test_a_route_keeps_the_examples_that_it_gave() -> None:
    document = a_document({"schema": CUP, "examples": {"own": {"value": 1}}}, {"schema": CUP})
    add_examples(document)
    operation = document["paths"]["/cups"]["post"]
    assert "example" not in operation["requestBody"]["content"]["application/json"]
    shown = {
        status: one["content"]["application/json"].get("example")
        for status, one in operation["responses"].items()
    }
    assert shown == {"200": {"glaze": "celadon"}, "404": None}


def test_an_example_of_a_model_or_a_route_gets_its_nulls_back() -> None:
    """FastAPI leaves them out; of what is not required nothing is added."""
    nothing = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    cup = {
        **CUP,
        "properties": {"glaze": nothing, "crack": nothing, "maker": nothing},
        "required": ["glaze", "crack"],
        "examples": [{"glaze": "celadon"}],
    }
    tray = {
        "type": "object",
        "properties": {
            "cups": {"type": "array", "items": {"$ref": "#/components/schemas/Cup"}},
            "best": {"anyOf": [{"$ref": "#/components/schemas/Cup"}, {"type": "null"}]},
        },
        "required": ["cups", "best"],
    }
    document = a_document({"schema": cup}, {"schema": tray})
    answer = document["paths"]["/cups"]["post"]["responses"]["200"]["content"]["application/json"]
    answer["example"] = {"cups": [{"glaze": "tenmoku"}], "best": {"crack": "a hair"}}
    document["components"]["schemas"]["Cup"] = cup
    add_examples(document)
    assert document["components"]["schemas"]["Cup"]["examples"] == [
        {"glaze": "celadon", "crack": None}
    ]
    assert answer["example"] == {
        "cups": [{"glaze": "tenmoku", "crack": None}],
        "best": {"glaze": None, "crack": "a hair"},
    }


def test_an_object_with_a_title_becomes_a_component() -> None:
    tray = {"title": "Tray", "type": "object", "properties": {"cups": {"items": CUP}}}
    document = with_named_parts(a_document({"schema": tray}, {"schema": CUP}))
    reference = {"$ref": "#/components/schemas/Cup"}
    operation = document["paths"]["/cups"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Tray"}
    assert operation["responses"]["200"]["content"]["application/json"]["schema"] == reference
    parts = document["components"]["schemas"]
    assert parts == {"Cup": CUP, "Tray": {**tray, "properties": {"cups": {"items": reference}}}}


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(TwoOfOneName, match="Cup"):
        with_named_parts(a_document({"schema": CUP}, {"schema": {**CUP, "properties": {}}}))
