"""Webhooks of any system that signs its bodies: a mapping reads them."""

import base64
import binascii
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from rapport_adapters.adapter import Adapter, Headers, Told
from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_adapters.mapping.document import MappingDocument
from rapport_adapters.mapping.reading import mapped
from rapport_adapters.mapping.values import Part
from rapport_adapters.settings import Secrets, SourceSettings
from rapport_adapters.signatures import only, require_hmac


class Signature(Part):
    """Where the system puts the HMAC-SHA-256 of the raw body, and how it writes it: `prefix` stands
    before it, such as `sha256=`."""

    header: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["X-Signature-256"])
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=20)


class Settings(SourceSettings):
    """`secrets` are those with which the system signs, `signature` where it does; `mapping` says
    what stands where in what it sends."""

    secrets: Secrets
    signature: Signature
    mapping: MappingDocument


def verify(headers: Headers, body: bytes, settings: Settings, _now: datetime) -> None:
    """Raise SignatureRefused unless one of the source's secrets has signed the body. The signature
    has no time: a copy passes for ever, and gives the events of before."""
    how = settings.signature
    sent = only(headers, how.header)
    prefix = how.prefix.encode()
    if not sent.startswith(prefix):
        raise SignatureRefused("malformed", f"{how.header} does not begin with the prefix")
    require_hmac(settings.secrets, body, [_in_hex(sent.removeprefix(prefix), how)])


def _in_hex(written: bytes, how: Signature) -> bytes:
    if how.encoding == "hex":
        return written.lower()
    try:
        return base64.b64decode(written, validate=True).hex().encode()
    except binascii.Error:
        detail = f"{how.header} is not in base64"
    raise SignatureRefused("malformed", detail)


def read(body: bytes, settings: Settings) -> Told:
    """The events of a body. Raises Unreadable with the first problem."""
    told = mapped(body, settings.mapping, settings)
    if told.problems:
        first = told.problems[0]
        where = f" (mapping {first.mapping})" if first.mapping else ""
        raise Unreadable(first.field, f"{first.reason}{where}", first.way_out)
    if not told.events:
        return Told(nothing_because="no part of it is of a kind that the mapping takes")
    return Told(told.events)


ADAPTER: Final = Adapter(Settings, verify, read)
