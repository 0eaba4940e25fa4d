"""Every event type has examples, and code, committed schemas and CloudEvents agree on them."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings import kafka as cloudevents_on_kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator

from rapport_contracts import schemas
from rapport_contracts.catalogue import ANY_SOURCE, CANONICAL, EVENT_TYPES, SOURCE
from rapport_contracts.codec import decode, decode_source, encode, encode_source
from rapport_contracts.source import record_key

PACKAGE = schemas.DIRECTORY.parent
EXAMPLES = sorted((PACKAGE / "examples").glob("*/*.json"))
each_example = pytest.mark.parametrize(
    "path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def over_the_wire(event_type: str, value: bytes) -> bytes:
    """Decode on the first topic that carries the type, and encode again."""
    for topic, types in CANONICAL.items():
        if event_type in types:
            return encode(decode(topic, b"any key", value))
    (topic,) = (topic for topic, types in SOURCE.items() if event_type in types)
    key = record_key(decode_source(None, None, value)).encode()
    return encode_source(decode_source(topic, key, value))


def committed_schema(event_type: str) -> dict[str, Any]:
    return json.loads((schemas.DIRECTORY / f"{event_type}.schema.json").read_text("utf-8"))


def test_every_event_type_has_an_example_and_no_example_is_of_another():
    assert {path.parent.name for path in EXAMPLES} == EVENT_TYPES


@each_example
def test_an_example_is_of_the_type_that_its_folder_names(path: Path):
    assert json.loads(path.read_bytes())["type"] == path.parent.name


@each_example
def test_an_example_decodes_and_encodes_to_the_same_json_value(path: Path):
    again = over_the_wire(path.parent.name, path.read_bytes())
    assert json.loads(again) == json.loads(path.read_bytes())


@each_example
def test_an_example_and_what_we_write_meet_the_committed_schema(path: Path):
    validator = Draft202012Validator(committed_schema(path.parent.name))
    validator.validate(json.loads(path.read_bytes()))
    validator.validate(json.loads(over_the_wire(path.parent.name, path.read_bytes())))


@each_example
def test_the_schema_without_references_says_the_same(path: Path):
    schema = schemas.inlined(path.parent.name)
    assert "$ref" not in json.dumps(schema)
    example = json.loads(path.read_bytes())
    Draft202012Validator(schema).validate(example)
    assert not Draft202012Validator(schema).is_valid(example | {"data": None})


@each_example
def test_the_cloudevents_sdk_reads_what_we_write_as_cloudevents_1_0(path: Path):
    written = over_the_wire(path.parent.name, path.read_bytes())
    event = JSONFormat().read(CloudEvent, written)
    expected = json.loads(path.read_bytes())
    assert event.get_specversion() == "1.0"
    assert event.get_type() == path.parent.name
    assert (event.get_id(), event.get_source()) == (expected["id"], expected["source"])
    assert event.get_data() == expected["data"]
    assert json.loads(JSONFormat().write(event)) == expected


@each_example
def test_an_event_survives_the_sdks_binary_kafka_headers(path: Path):
    event = JSONFormat().read(CloudEvent, over_the_wire(path.parent.name, path.read_bytes()))
    message = cloudevents_on_kafka.to_binary(event, JSONFormat())
    assert message.headers["ce_type"] == path.parent.name.encode()
    again = cloudevents_on_kafka.from_binary(message, JSONFormat(), CloudEvent)
    assert json.loads(JSONFormat().write(again)) == json.loads(path.read_bytes())


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
@pytest.mark.parametrize("attribute", ["specversion", "type", "id", "source", "time", "data"])
def test_a_schema_requires_the_envelope(event_type: str, attribute: str):
    example = next(path for path in EXAMPLES if path.parent.name == event_type)
    document = json.loads(example.read_bytes())
    del document[attribute]
    assert not Draft202012Validator(committed_schema(event_type)).is_valid(document)


@pytest.mark.parametrize("event_type", sorted(ANY_SOURCE))
def test_whoever_writes_a_source_event_reads_what_each_attribute_is(event_type: str):
    attributes = committed_schema(event_type)["properties"]
    said = {name: attribute.get("description", "") for name, attribute in attributes.items()}
    plain = {"specversion", "type", "data"}  # a constant each, and a part with its own words
    assert [name for name in said.keys() - plain if not said[name].endswith(".")] == []
    assert "1990-01-01 to 2199-12-29" in said["time"]
    assert "48 hours ahead" in said["time"]


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES - ANY_SOURCE.keys()))
def test_whoever_reads_our_events_reads_what_the_attributes_are(event_type: str):
    parts = committed_schema(event_type)["$defs"].values()
    (attributes,) = (part["properties"] for part in parts if "specversion" in part["properties"])
    for name in ("id", "source", "time", "practiceid", "subject", "incarnation"):
        assert attributes[name]["description"].endswith("."), name


@pytest.mark.parametrize(
    "event_type", ["rapport.booking.created.v1", "rapport.booking.rescheduled.v1"]
)
def test_the_range_of_a_start_stands_in_the_schema(event_type: str):
    start = committed_schema(event_type)["$defs"]["BookingTimes"]["properties"]["starts_at"]
    assert "1970-01-02 to 2199-12-29" in start["description"]


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
def test_a_schema_is_itself_valid(event_type: str):
    Draft202012Validator.check_schema(committed_schema(event_type))


def test_the_committed_schemas_are_those_of_the_code():
    outdated = schemas.differences(schemas.DIRECTORY)
    assert not outdated, f"{outdated}: run `make schemas` (python -m rapport_contracts.schemas)"


def test_check_fails_on_an_outdated_a_missing_and_a_superfluous_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(schemas, "DIRECTORY", tmp_path / "schemas")
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0
    outdated, missing, *_ = sorted(schemas.DIRECTORY.iterdir())
    outdated.write_text("{}", "utf-8")
    missing.unlink()
    (schemas.DIRECTORY / "rapport.yesterday.v1.schema.json").write_text("{}", "utf-8")
    assert schemas.main(["--check"]) == 1
    printed = capsys.readouterr().err
    for name in (outdated.name, missing.name, "rapport.yesterday.v1.schema.json"):
        assert f"{name} differs" in printed
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0
