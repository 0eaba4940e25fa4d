"""What the SDK of CloudEvents writes in binary mode is the same event as in structured mode."""

from pathlib import Path

import pytest
from cloudevents.core.bindings import http as cloudevents_on_http
from cloudevents.core.bindings import kafka as cloudevents_on_kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from rapport_contracts import schemas
from rapport_contracts.binary_mode import from_http, is_binary, names_of, whole_event
from rapport_contracts.catalogue import ANY_SOURCE
from rapport_contracts.codec import decode_source, encode_source

EXAMPLES = sorted((schemas.DIRECTORY.parent / "examples").glob("*/*.json"))
each_source_event = pytest.mark.parametrize(
    "path",
    [path for path in EXAMPLES if path.parent.name in ANY_SOURCE],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)


@each_source_event
@pytest.mark.parametrize("backfill", [False, True])
@pytest.mark.parametrize("transport", ["kafka", "http"])
def test_both_modes_are_the_same_facts(path: Path, transport: str, *, backfill: bool) -> None:
    event = decode_source(None, None, path.read_bytes())
    if backfill:
        event = event.model_copy(update={"backfill": True})
    written = JSONFormat().read(CloudEvent, encode_source(event))
    if transport == "kafka":
        message = cloudevents_on_kafka.to_binary(written, JSONFormat())
        headers = list(message.headers.items())
        value = message.value
    else:
        request = cloudevents_on_http.to_binary(written, JSONFormat())
        raw = [(name.encode(), text.encode()) for name, text in request.headers.items()]
        headers, value = from_http(raw), request.body
    assert is_binary(headers)
    assert decode_source(None, None, whole_event(headers, value)) == event
    assert names_of(headers, value) == (event.practiceid, event.source)


@each_source_event
def test_headers_beside_a_structured_event_change_nothing(path: Path) -> None:
    written = JSONFormat().read(CloudEvent, path.read_bytes())
    message = cloudevents_on_kafka.to_structured(written, JSONFormat())
    headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    beside = [("ce_type", path.parent.name.encode()), ("trace", b"\xff")]
    assert whole_event([*headers, *beside], message.value) == message.value
    assert not is_binary(headers + beside)
