"""The envelope of every event: CloudEvents 1.0 in structured JSON, extensions in lower case."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant with a zone, in RFC 3339 on the bus; one without a zone is refused."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Sequence = Annotated[int, msgspec.Meta(ge=1, le=2**62)]

Incarnation = Annotated[str, msgspec.Meta(min_length=8, max_length=8)]
"""Eight random hexadecimal digits that a database draws at its creation, and anew after it was
restored."""


def _says(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


_OF_PRACTICE = _says("The practice that it is about.")
PracticeId = Annotated[Text, _OF_PRACTICE]


def _specversion() -> Literal["1.0"]:
    """A factory: a plain default would not be written, because of `omit_defaults`."""
    return "1.0"


def _datacontenttype() -> Literal["application/json"]:
    """The content type of `data`; a factory for the same reason."""
    return "application/json"


class Envelope(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"
):
    """The attributes that every event has.

    The concrete class fixes `type` and `data`. An attribute that is None is not written:
    CloudEvents allows null, but not all of its SDKs read it.
    """

    id: Annotated[Text, _says("Unique per `source`: keep it, to handle the event once.")]
    source: Annotated[Text, _says("The service that sends it.")]
    time: Annotated[Instant, _says("The sender's business time at which it came to be.")]
    practiceid: Annotated[Text | None, _OF_PRACTICE] = None
    subject: Annotated[Text | None, _says("The client's id, or the practice's.")] = None
    correlationid: Text | None = None
    causationid: Annotated[Text | None, _says("The id of the event that caused it.")] = None
    traceparent: Text | None = None
    incarnation: Annotated[
        Incarnation | None,
        _says(
            "That of the sender's database. Another one says that the database was restored to an"
            " earlier state, and that what it numbers may repeat."
        ),
    ] = None
    specversion: Literal["1.0"] = msgspec.field(default_factory=_specversion)
    datacontenttype: Literal["application/json"] = msgspec.field(default_factory=_datacontenttype)


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of every `data`: immutable, fields by keyword, unknown fields ignored.

    `gc=False`: no event holds a cycle, and batches hold thousands of them.
    """
