"""Events as bytes: the examples of the package, and what makes them wrong."""

import json

import pytest

from rapport_contracts import schemas
from rapport_contracts.catalogue import CANONICAL
from rapport_contracts.codec import (
    decode,
    decode_source,
)
from rapport_contracts.errors import InvalidEvent

EXAMPLES = schemas.DIRECTORY.parent / "examples"
ACTIVITY, TIERS, PRACTICES, OUTREACH = (
    "client-activity.v1",
    "tier-changes.v1",
    "practices.v1",
    "outreach-events.v1",
)
BOOKINGS, PAYMENTS = "source.bookings.v1", "source.payments.v1"
KEY = b"mei-of-crane-hill"


def example(event_type: str, name: str) -> bytes:
    return (EXAMPLES / f"rapport.{event_type}.v1" / f"{name}.json").read_bytes()


SETTLED = example("payment.settled", "first-hour")
BOOKED = example("booking.created", "first-hour")
RECORDED = example("activity.recorded", "settled")
CHANGED = example("tier.changed", "upgraded-by-activity")
WATERMARK = example("watermark.advanced", "a-second-later")


def altered(value: bytes, pointer: str, to: bytes) -> bytes:
    """The same event, with raw JSON at a pointer (its last part may be new)."""
    document = json.loads(value)
    *way, last = pointer.strip("/").split("/")
    node = document
    for part in way:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[last] = "@@"
    return json.dumps(document, ensure_ascii=False).encode().replace(b'"@@"', to)


def without(value: bytes, pointer: str) -> bytes:
    return altered(value, pointer, b'"@@"').replace(
        json.dumps(pointer.rsplit("/")[-1]).encode(), b'"something_else"'
    )


def refusal(topic: str | None, key: bytes | None, value: bytes | None) -> InvalidEvent:
    """What the topic's codec says against it; fails if it says nothing."""
    codec = decode if topic in CANONICAL else decode_source
    with pytest.raises(InvalidEvent) as caught:
        codec(topic, key, value)  # type: ignore[arg-type]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the parser's own error may repeat the value"
    return caught.value
