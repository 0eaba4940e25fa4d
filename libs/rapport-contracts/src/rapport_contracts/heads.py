"""The head of an event: whose it is, which, and when; the rest is not decoded."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from rapport_contracts.canonical import WatermarkAdvanced
from rapport_contracts.catalogue import canonical_type

_WATERMARK = canonical_type(WatermarkAdvanced)


class EventHead(NamedTuple):
    """The head of an event. For a watermark `event_id` is that of the last event before it, None
    when there was none."""

    source: str
    event_id: str | None
    is_watermark: bool
    time: datetime


class _Identified(msgspec.Struct, frozen=True, gc=False):
    """The one field that the writer of events keeps."""

    id: str


class _Names(msgspec.Struct, frozen=True, gc=False):
    """What a watermark's data says of the event before it."""

    last_event_id: str | None = None


class _Attributes(msgspec.Struct, frozen=True, gc=False):
    """The attributes of which a head is made."""

    type: str
    id: str
    source: str
    time: datetime
    data: _Names


_IDENTIFIED = msgspec.json.Decoder(_Identified)
_ATTRIBUTES = msgspec.json.Decoder(_Attributes)


def event_id(value: bytes) -> str:
    """The id of an event that `codec.encode` made."""
    return _IDENTIFIED.decode(value).id


def event_head(value: bytes) -> EventHead | None:
    """The head of a canonical event; None for a value that is none."""
    try:
        event = _ATTRIBUTES.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_watermark = event.type == _WATERMARK
    named = event.data.last_event_id if is_watermark else event.id
    return EventHead(event.source, named, is_watermark, event.time)
