"""Each kind of change that breaks a caller, reader or writer is found; harmless ones are not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.toy_documents import ASYNCAPI, OPENAPI
from tests.support.contracts import documents
from tests.support.contracts.containment import Containment, NotUnderstood
from tests.support.contracts.events import event_breaks
from tests.support.contracts.rest import rest_breaks

Change = Callable[[Any], Any]
GET = ("paths", "/v1/cups/{cup_id}", "get")
PUT = ("paths", "/v1/cups/{cup_id}", "put")
CUP = ("components", "schemas", "Cup")
THROWN = ("components", "schemas", "Thrown")
FIRED = ("components", "schemas", "Fired")
ORDER = ("components", "schemas", "Order")
LIMIT, GLAZE = (*GET, "parameters", 1), (*GET, "parameters", 2)
ANSWER = (*GET, "responses", "200")


def at(document: Any, *place: Any) -> Any:
    for step in place:
        document = document[step]
    return document


def put(*place: Any, value: Any) -> Change:
    def change(document: Any) -> None:
        at(document, *place[:-1])[place[-1]] = value

    return change


def drop(*place: Any) -> Change:
    return lambda document: at(document, *place[:-1]).pop(place[-1])


def add(*place: Any, value: Any) -> Change:
    return lambda document: at(document, *place).append(value)


def both(*changes: Change) -> Change:
    return lambda document: [change(document) for change in changes]


def changed(document: Any, change: Change) -> Any:
    new = copy.deepcopy(document)
    change(new)
    assert new != document, "the change changed nothing"
    return new


STRING = {"type": "string"}
REST_BREAKS = [
    pytest.param(drop("paths", "/v1/kilns"), "GET /v1/kilns: removed", id="path"),
    pytest.param(drop(*PUT), "PUT /v1/cups/{cup_id}: removed", id="operation"),
    pytest.param(
        put(*GET, "operationId", value="cups-cup"), "another operationId", id="operation id"
    ),
    pytest.param(drop(*GET, "parameters", 2), "query glaze: removed", id="parameter"),
    pytest.param(
        add(*GET, "parameters", value={"in": "query", "name": "x", "required": True, "schema": {}}),
        "query x: is required now",
        id="new required parameter",
    ),
    pytest.param(put(*LIMIT, "required", value=True), "limit: is required now", id="required"),
    pytest.param(put(*LIMIT, "schema", "type", value="string"), "integer where", id="retyped"),
    pytest.param(put(*LIMIT, "schema", "maximum", value=500), "maximum 1000", id="lower maximum"),
    pytest.param(put(*LIMIT, "schema", "minimum", value=5), "minimum None", id="new minimum"),
    pytest.param(put(*LIMIT, "schema", "default", value=10), "another default", id="default"),
    pytest.param(
        put(*GLAZE, "schema", "enum", value=["tenmoku"]),
        "'celadon' is no longer taken",
        id="enum value of a request",
    ),
    pytest.param(put(*GLAZE, "schema", "pattern", value="^t"), "pattern None", id="new pattern"),
    pytest.param(drop(*PUT, "requestBody"), "body: removed", id="body"),
    pytest.param(
        put(*PUT, "requestBody", "required", value=True), "body: is required", id="required body"
    ),
    pytest.param(
        put(*GET, "requestBody", value={"required": True, "content": {}}),
        "body: is required now",
        id="new required body",
    ),
    pytest.param(
        put(*PUT, "requestBody", "content", value={"text/csv": {}}),
        "body application/json: removed",
        id="media type of a request",
    ),
    pytest.param(
        add(*THROWN, "required", value="clay"), "clay: is required now", id="required field"
    ),
    pytest.param(
        both(
            put(*THROWN, "properties", "foot", value=STRING), add(*THROWN, "required", value="foot")
        ),
        "foot: is required now",
        id="new required field",
    ),
    pytest.param(drop(*THROWN, "properties", "clay"), "clay: removed", id="request field"),
    pytest.param(
        put(*THROWN, "properties", "clay", "maxLength", value=40), "maxLength 50", id="shorter"
    ),
    pytest.param(
        put(*THROWN, "properties", "grams", "type", value="integer"),
        "number where integer",
        id="narrowed type of a request",
    ),
    pytest.param(
        put(*THROWN, "additionalProperties", value=False), "unknown fields are refused", id="closed"
    ),
    pytest.param(
        drop("components", "schemas", "NewCup", "oneOf", 1),
        "'cast' is no longer taken",
        id="alternative of a request",
    ),
    pytest.param(drop(*GET, "responses", "404"), "404: removed", id="status"),
    pytest.param(put(*GET, "responses", "202", value={}), "202: another success", id="new success"),
    pytest.param(drop(*ANSWER, "headers", "Link"), "header Link: removed", id="header"),
    pytest.param(
        put(*ANSWER, "content", value={}), "200 application/json: removed", id="media type"
    ),
    pytest.param(drop(*CUP, "properties", "mood"), ".mood: removed", id="optional response field"),
    pytest.param(drop(*CUP, "properties", "size"), ".size: removed", id="response field"),
    pytest.param(drop(*CUP, "required", 0), ".size: may be left out now", id="no longer required"),
    pytest.param(
        put(*CUP, "properties", "size", "type", value="number"),
        "number where integer",
        id="widened type of a response",
    ),
    pytest.param(
        put(*CUP, "properties", "size", "maximum", value=10), "maximum 10", id="higher maximum"
    ),
    pytest.param(drop(*CUP, "properties", "size", "minimum"), "minimum None", id="no minimum"),
    pytest.param(
        put(*CUP, "properties", "size", value={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        "null where integer",
        id="null in a response",
    ),
    pytest.param(
        add(*CUP, "properties", "state", "enum", value="mended"),
        "'mended' is new",
        id="enum value of a response",
    ),
    pytest.param(
        put(*CUP, "properties", "state", value=STRING), "any value where", id="enum given up"
    ),
    pytest.param(
        put(*CUP, "properties", "fired_at", "anyOf", 0, "format", value="date"),
        "format date where date-time",
        id="format",
    ),
    pytest.param(
        put("components", "schemas", "Mark", "properties", "text", "type", value="integer"),
        ".marks[].text: integer where string",
        id="inside a list",
    ),
    pytest.param(
        put(*CUP, "properties", "weights", "additionalProperties", value=STRING),
        ".weights.*: string where number",
        id="values of a map",
    ),
    pytest.param(put(*GET, "security", value=[{"OAuth": []}]), "other credentials", id="security"),
    pytest.param(put(*PUT, "security", value=[{"ApiKey": []}]), "other credentials", id="closed"),
]
HARMLESS_TO_REST = [
    pytest.param(put("paths", "/v1/glazes", value={"get": {}}), id="new path"),
    pytest.param(put("paths", "/v1/kilns", "put", value={}), id="new operation"),
    pytest.param(
        add(*GET, "parameters", value={"in": "query", "name": "x", "schema": {}}),
        id="new optional parameter",
    ),
    pytest.param(put(*LIMIT, "schema", "maximum", value=2000), id="higher maximum of a request"),
    pytest.param(
        put(*LIMIT, "schema", "description", value="pages"), id="description of a parameter"
    ),
    pytest.param(
        add(*GLAZE, "schema", "enum", value="shino"), id="new enum value taken in a request"
    ),
    pytest.param(put(*THROWN, "properties", "foot", value=STRING), id="new optional request field"),
    pytest.param(drop(*THROWN, "required", 0), id="request field no longer required"),
    pytest.param(put(*CUP, "properties", "foot", value=STRING), id="new response field"),
    pytest.param(add(*CUP, "required", value="mood"), id="response field always there now"),
    pytest.param(
        put(*CUP, "properties", "state", "enum", value=["whole"]), id="fewer values in a response"
    ),
    pytest.param(
        add(*CUP, "properties", "mood", "x-open-enum", value="wild"), id="new value of an open enum"
    ),
    pytest.param(put(*CUP, "properties", "size", "maximum", value=8), id="lower maximum answered"),
    pytest.param(
        put(*CUP, "properties", "fired_at", value={"type": "string", "format": "date-time"}),
        id="never null now",
    ),
    pytest.param(put(*GET, "responses", "503", value={}), id="new error"),
    pytest.param(add(*GET, "security", value={"OAuth": []}), id="another way in"),
]

EVENT_BREAKS = [
    pytest.param(drop("channels", "cups.v1"), "cups.v1: removed", id="topic"),
    pytest.param(
        drop("channels", "cups.v1", "messages", "cup.broken.v1"),
        "cups.v1: no longer carries cup.broken.v1",
        id="type on a topic",
    ),
    pytest.param(
        drop("components", "messages", "cup.broken.v1"), "cup.broken.v1: removed", id="type"
    ),
    pytest.param(
        put("channels", "cups.v1", "bindings", "kafka", "partitions", value=8),
        "8 partitions where 4",
        id="partitions",
    ),
    pytest.param(drop(*FIRED, "properties", "mark"), ".mark: removed", id="field"),
    pytest.param(
        both(drop(*FIRED, "properties", "mark"), put(*FIRED, "properties", "stamp", value=STRING)),
        ".mark: removed",
        id="renamed field",
    ),
    pytest.param(
        put(*FIRED, "properties", "size", "type", value="number"), "number where", id="widened"
    ),
    pytest.param(
        put(*FIRED, "properties", "size", "type", value="string"), "string where", id="retyped"
    ),
    pytest.param(
        add(*FIRED, "required", value="glaze"), ".glaze: is required now", id="newly required"
    ),
    pytest.param(drop(*FIRED, "required", 0), ".size: may be left out now", id="not required"),
    pytest.param(
        add(*FIRED, "properties", "glaze", "enum", value="shino"), "'shino' is new", id="enum value"
    ),
    pytest.param(
        drop(*FIRED, "properties", "glaze", "enum", 0), "'celadon' is no longer", id="enum dropped"
    ),
    pytest.param(
        put(*ORDER, "properties", "id", "maxLength", value=10), "maxLength 20", id="tightened"
    ),
    pytest.param(drop(*ORDER, "properties", "note"), ".note: removed", id="field that is asked"),
    pytest.param(add(*ORDER, "required", value="note"), "is required now", id="asked and required"),
]
HARMLESS_TO_EVENTS = [
    pytest.param(put("channels", "kilns.v1", value={}), id="new topic"),
    pytest.param(put("components", "messages", "kiln.lit.v1", value={}), id="new type"),
    pytest.param(put(*FIRED, "properties", "stamp", value=STRING), id="new optional field"),
    pytest.param(put(*FIRED, "description", value="words"), id="words"),
    pytest.param(put(*ORDER, "properties", "id", "maxLength", value=40), id="longer ids taken"),
]


def test_unchanged_documents_break_nothing():
    assert rest_breaks(OPENAPI, copy.deepcopy(OPENAPI)) == []
    assert event_breaks(ASYNCAPI, copy.deepcopy(ASYNCAPI)) == []


@pytest.mark.parametrize(("change", "finding"), REST_BREAKS)
def test_a_breaking_change_of_rest_is_found_and_named(change: Change, finding: str):
    assert finding in "\n".join(rest_breaks(OPENAPI, changed(OPENAPI, change)))


@pytest.mark.parametrize("change", HARMLESS_TO_REST)
def test_a_harmless_change_of_rest_is_none(change: Change):
    assert rest_breaks(OPENAPI, changed(OPENAPI, change)) == []


@pytest.mark.parametrize(("change", "finding"), EVENT_BREAKS)
def test_a_breaking_change_of_an_event_is_found_and_named(change: Change, finding: str):
    assert finding in "\n".join(event_breaks(ASYNCAPI, changed(ASYNCAPI, change)))


@pytest.mark.parametrize("change", HARMLESS_TO_EVENTS)
def test_a_harmless_change_of_an_event_is_none(change: Change):
    assert event_breaks(ASYNCAPI, changed(ASYNCAPI, change)) == []


def test_a_keyword_that_the_comparison_does_not_know_stops_it():
    strange = changed(OPENAPI, put(*CUP, "patternProperties", value={}))
    with pytest.raises(NotUnderstood, match="patternProperties"):
        rest_breaks(OPENAPI, strange)


@pytest.mark.parametrize("path", [f"openapi/{name}.json" for name in documents.APPS])
def test_removing_any_operation_or_field_of_a_real_api_is_found(path: str):
    document = documents.read(documents.PACKAGE, path)
    for name, schema in document["components"]["schemas"].items():
        without = changed(document, put("components", "schemas", name, "properties", value={}))
        reference = {"$ref": f"#/components/schemas/{name}"}
        found = Containment(document, without, "written").breaks(reference, reference, name)
        chosen = {field for one in schema.get("anyOf", ()) for field in one.get("properties", ())}
        removed = schema.get("properties", {}).keys() - chosen  # a choice still names the others
        assert {f"{name}.{field}: removed" for field in removed} <= set(found)
    ways = {f"{way.upper()} {path}" for path, ways in document["paths"].items() for way in ways}
    empty = rest_breaks(document, changed(document, put("paths", value={})))
    assert set(empty) == {f"{way}: removed" for way in ways}


def test_removing_any_field_of_a_real_event_is_found():
    document = documents.read(documents.PACKAGE, documents.ASYNCAPI)
    for name, schema in document["components"]["schemas"].items():
        without = changed(document, put("components", "schemas", name, "properties", value={}))
        finding = "\n".join(event_breaks(document, without))
        for field in schema["properties"]:
            assert f".{field}: removed" in finding, (name, field)
