"""CloudEvents in binary mode: the attributes stand in headers, and the value is `data` alone.

On Kafka the headers are `ce_id` and so on, in HTTP `ce-id`; the content type is that of `data`. It
is made one event in structured JSON here, so that both modes are the same facts.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from rapport_contracts.codec import MAX_VALUE_BYTES
from rapport_contracts.diagnosis import parse
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.names import Names, names_in

Headers = Iterable[tuple[str, bytes]]
"""The headers of a record, in their order."""

_PREFIX: Final = "ce_"
_HTTP_PREFIX: Final = "ce-"
_CONTENT_TYPE: Final = "content-type"
_STRUCTURED: Final = b"application/cloudevents"
_JSON: Final = re.compile(rb"application/([\w.-]+\+)?json\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_OF_FLAG: Final = frozenset({"backfill"})


def whole_event(headers: Headers, value: bytes | None) -> bytes | None:
    """The event of a record as structured JSON: its value, or in binary mode what headers and value
    make together.

    Raises InvalidEvent by field for headers that contradict each other or the value, and for a
    value that is no JSON. What is missing, the codec finds.
    """
    said = _attributes(headers)
    if not said.attributes or value is None:
        return value
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidEvent("too-large", f"is larger than {MAX_VALUE_BYTES} bytes")
    document = parse(value)
    if said.is_structured:
        _refuse_contradiction(said.attributes, document)
        return value
    if "data" in said.attributes:
        raise InvalidEvent("invalid-field", "stands in the value, never in a header", "/data")
    if said.content_type is not None and not _JSON.fullmatch(said.content_type):
        raise InvalidEvent("invalid-field", "must be application/json", "/datacontenttype")
    return json.dumps(said.attributes).encode()[:-1] + b', "data": ' + value + b"}"


def names_of(headers: Headers, value: bytes | None) -> Names:
    """Whom a record names, in either mode, also where it is no event. Raises nothing."""
    try:
        said = _attributes(headers)
    except InvalidEvent:
        return names_in(value)
    if not said.attributes or said.is_structured:
        return names_in(value)
    return names_in(json.dumps(said.attributes).encode())


def is_binary(headers: Headers) -> bool:
    """Whether attributes stand in these headers alone. Raises InvalidEvent."""
    said = _attributes(headers)
    return bool(said.attributes) and not said.is_structured


def from_http(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, bytes]]:
    """The headers of a request as they would stand on Kafka; other headers are left out."""
    found = []
    for raw_name, content in headers:
        name = raw_name.decode("latin-1").lower()
        if name.startswith(_HTTP_PREFIX):
            attribute = name.removeprefix(_HTTP_PREFIX)
            found.append((_PREFIX + attribute, unquote_to_bytes(content)))
        elif name == _CONTENT_TYPE:
            found.append((name, content))
    return found


class _Said:
    """What headers say of an event."""

    def __init__(self) -> None:
        self.attributes: dict[str, str | bool] = {}
        self.content_type: bytes | None = None

    @property
    def is_structured(self) -> bool:
        return (self.content_type or b"").lower().startswith(_STRUCTURED)


def _attributes(headers: Headers) -> _Said:
    said = _Said()
    for name, content in headers:
        if name.lower() == _CONTENT_TYPE:
            said.content_type = content
        elif name.startswith(_PREFIX):
            attribute = name.removeprefix(_PREFIX)
            text = _text(attribute, content)
            if said.attributes.setdefault(attribute, text) != text:
                raise InvalidEvent("invalid-field", "stands in two headers", f"/{attribute}")
    return said


def _text(attribute: str, content: bytes) -> str | bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise InvalidEvent("not-utf8", "is not UTF-8", f"/{attribute}")
    # CloudEvents writes true; its library for Python writes True.
    return _FLAGS.get(text.lower(), text) if attribute in _OF_FLAG else text


def _refuse_contradiction(attributes: Mapping[str, str | bool], document: object) -> None:
    """In structured mode headers may repeat what the value says, and no more."""
    for attribute, text in attributes.items():
        if not isinstance(document, dict) or document.get(attribute) != text:
            detail = "is another in the header than in the value"
            raise InvalidEvent("invalid-field", detail, f"/{attribute}")
