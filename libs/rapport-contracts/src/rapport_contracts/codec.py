"""Events from bytes and to bytes: fast for valid ones, exact about the fault of others."""

import msgspec
import pydantic

from rapport_contracts.canonical import (
    ActivityRecorded,
    CanonicalEvent,
    GenerationOpened,
    HoldChanged,
    KeyChanged,
    MessageChanged,
    PracticeRegistered,
    TierChanged,
    UnknownEvent,
    WatermarkAdvanced,
)
from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.catalogue import ANY_SOURCE, CANONICAL, SOURCE
from rapport_contracts.diagnosis import (
    event_type,
    of_msgspec,
    of_pydantic,
    parse,
    refuse_duplicate_keys,
    refuse_null_characters,
)
from rapport_contracts.envelope import Incarnation, Sequence, Text
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent, object_field, record_key
from rapport_contracts.source_envelope import SourceEnvelope
from rapport_contracts.topics import (
    CARE_SIGNALS,
    CLIENT_ACTIVITY,
    KEYS,
    OUTREACH_EVENTS,
    PRACTICES,
    TIER_CHANGES,
)

MAX_VALUE_BYTES = 1024 * 1024
"""Kafka's own default limit of a record is as large; no event of ours comes near it."""

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[str, msgspec.json.Decoder[CanonicalEvent]] = {
    CLIENT_ACTIVITY.name: msgspec.json.Decoder(
        ActivityRecorded | GenerationOpened | HoldChanged | WatermarkAdvanced
    ),
    CARE_SIGNALS.name: msgspec.json.Decoder(CareRecorded | WatermarkAdvanced),
    TIER_CHANGES.name: msgspec.json.Decoder(TierChanged | WatermarkAdvanced),
    PRACTICES.name: msgspec.json.Decoder(PracticeRegistered),
    KEYS.name: msgspec.json.Decoder(KeyChanged | WatermarkAdvanced),
    OUTREACH_EVENTS.name: msgspec.json.Decoder(MessageChanged),
}


class _OfPractice(msgspec.Struct, frozen=True, gc=False):
    """The one field that a reader of all practices needs before the rest."""

    practiceid: str


_OF_PRACTICE = msgspec.json.Decoder(_OfPractice)


def encode(event: CanonicalEvent) -> bytes:
    """The event as structured CloudEvents JSON in UTF-8.

    Mypy checks the types, not this function. Raises InvalidEvent (`invalid-field`) for a
    text that UTF-8 cannot hold.
    """
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError:
        refusal = InvalidEvent("invalid-field", "a text holds a lone surrogate")
    raise refusal


def decode(topic: str, key: bytes | None, value: bytes | None) -> CanonicalEvent | UnknownEvent:
    """The event of one record of a canonical topic, by the topic's logical name (no prefix).

    Unknown fields are ignored, and an event of an unknown type is an UnknownEvent (R11). Only a
    watermark may have no key: it belongs to a partition, not to a client. Raises InvalidEvent for
    every value that is not such an event, and KeyError for a topic that is not canonical: that is
    the caller's error, not the record's.
    """
    decoder = _DECODERS[topic]
    if value is None or len(value) > MAX_VALUE_BYTES:
        raise _not_an_event(value)
    try:
        text = value.decode()
        event = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failure = error
    else:
        if "\\" in text:  # events of ours hardly hold one: the cheapest guard against \u0000
            refuse_null_characters(parse(value))
        if not key and not isinstance(event, WatermarkAdvanced):
            raise InvalidEvent("missing-key", "has no key")
        return event
    # outside `except`, so that the decoder's own error, which may repeat the value, is no context
    refusal = _why_not(topic, value, failure)
    if refusal.reason == "unknown-type":
        return _unknown(value)
    raise refusal


class _Numbered(msgspec.Struct, frozen=True, gc=False):
    """What a client's sequence needs of an event whatever its type."""

    client_id: Text | None = None
    generation: Sequence | None = None
    sequence: Sequence | None = None


class _OfUnknownType(msgspec.Struct, frozen=True, gc=False):
    """The part of an event that does not depend on its type."""

    type: str
    practiceid: Text | None = None
    incarnation: Incarnation | None = None
    data: _Numbered = msgspec.field(default_factory=_Numbered)


_OF_UNKNOWN_TYPE = msgspec.json.Decoder(_OfUnknownType)


def event_or_none(
    topic: str, key: bytes | None, value: bytes | None
) -> CanonicalEvent | UnknownEvent | None:
    """As `decode`; None for a value that is no event of the topic."""
    try:
        return decode(topic, key, value)
    except InvalidEvent:
        return None


def practice_of(value: bytes) -> str:
    """The practice of an event that `encode` made and that has one; the rest is not decoded."""
    return _OF_PRACTICE.decode(value).practiceid


def encode_source(event: SourceEvent) -> bytes:
    """The source event as structured CloudEvents JSON in UTF-8."""
    return event.model_dump_json(exclude_unset=True).encode()


def decode_source(topic: str | None, key: bytes | None, value: bytes | None) -> SourceEvent:
    """The event of one record of a source topic, by its logical name, or of a REST body (None).

    On a topic the key must be there and be the event's `record_key`; for a body it may be None.
    Unknown fields are ignored, though they too must be JSON without U+0000; no object may have a
    key twice. A source's tombstone is passed over by who reads the topic. Raises InvalidEvent for
    every value that is not such an event, and KeyError for a topic that is not a source's.
    """
    permitted = ANY_SOURCE if topic is None else SOURCE[topic]
    if value is None or len(value) > MAX_VALUE_BYTES:
        raise _not_an_event(value)
    document = parse(value)
    refuse_duplicate_keys(value, document)
    model = permitted[event_type(document, permitted)]
    if b"\\" in value:
        refuse_null_characters(document)
    event = _validated(model, value)
    if topic is not None and not key:
        raise InvalidEvent("missing-key", "has no key")
    if key and key != record_key(event).encode():
        field = f"/data/{object_field(event)}" if event.subject is None else "/subject"
        raise InvalidEvent("invalid-field", "must equal the record's key", field)
    return event


def _validated(model: type[SourceEnvelope], value: bytes) -> SourceEvent:
    """The event of a class of the catalogue; raises InvalidEvent by field."""
    try:
        event: SourceEvent = model.model_validate_json(value)  # type: ignore[assignment]  # the catalogue holds the union's classes, typed by their base
    except pydantic.ValidationError as error:
        refusal = of_pydantic(error)
    else:
        return event
    raise refusal


def _unknown(value: bytes) -> UnknownEvent:
    """The event of a type that this version does not know; raises InvalidEvent by field."""
    refuse_null_characters(parse(value))
    try:
        event = _OF_UNKNOWN_TYPE.decode(value)
    except msgspec.ValidationError as error:
        refusal = of_msgspec(error)
    else:
        return UnknownEvent(
            type=event.type,
            practice_id=event.practiceid,
            client_id=event.data.client_id,
            generation=event.data.generation,
            sequence=event.data.sequence,
            incarnation=event.incarnation,
        )
    raise refusal


def _not_an_event(value: bytes | None) -> InvalidEvent:
    """Why there is nothing to parse: no value, or too long a one."""
    if value is None:
        return InvalidEvent("tombstone", "has no value")
    return InvalidEvent("too-large", f"is larger than {MAX_VALUE_BYTES} bytes")


def _why_not(topic: str, value: bytes, error: Exception) -> InvalidEvent:
    """The reason why a canonical value could not be decoded."""
    try:
        document = parse(value)
        event_type(document, CANONICAL[topic])
        refuse_null_characters(document)
    except InvalidEvent as refusal:
        return refusal
    if isinstance(error, msgspec.ValidationError):
        return of_msgspec(error)
    return InvalidEvent("not-json", "is not JSON in UTF-8")
