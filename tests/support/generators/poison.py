"""Everything that a broken or hostile source may send, with the reason for which it is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Document = dict[str, Any]
Raw = tuple[bytes | None, bytes | None]
"""A record's key and value."""

BIG = 2 * 1024 * 1024
DEEP = 10_000


@dataclass(frozen=True)
class Poison:
    """One kind of bad input, made from a good booking or payment event (a CloudEvents document).

    `reason` is the dead letter's; `status` what REST answers to the same bytes, None where REST has
    no such case (keys); `of` says which event it is made from.
    """

    name: str
    reason: str
    status: int | None
    of: str
    make: Callable[[Document], Raw]

    def record(self, document: Document) -> Raw:
        """Key and value of the record."""
        return self.make(document)


def _bytes(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")


def _keyed(document: Document, value: bytes | None) -> Raw:
    return str(document["subject"]).encode(), value


def _with(**changed: Any) -> Callable[[Document], Raw]:
    """The envelope with other attributes."""
    return lambda document: _keyed(document, _bytes(document | changed))


def _data(**changed: Any) -> Callable[[Document], Raw]:
    """The data with other fields."""
    return lambda doc: _keyed(doc, _bytes(doc | {"data": doc["data"] | changed}))


def _spliced(field: str, raw: str) -> Callable[[Document], Raw]:
    """The data with a field whose JSON is written as it is."""

    def make(document: Document) -> Raw:
        marked = document | {"data": document["data"] | {field: "@@"}}
        return _keyed(document, _bytes(marked).replace(b'"@@"', raw.encode()))

    return make


def _twice(name: str, again: str | None = None) -> Callable[[Document], Raw]:
    """The data with a number under the same key twice, the second time written as `again`."""

    def make(document: Document) -> Raw:
        doubled = f'{{"{name}": 1, "{again or name}": 2, '.encode()
        whole = _bytes({key: value for key, value in document.items() if key != "data"})
        data = _bytes({key: value for key, value in document["data"].items() if key != name})
        return _keyed(document, whole[:-1] + b', "data": ' + doubled + data[1:] + b"}")

    return make


def _bad_utf8(document: Document) -> Raw:
    return _keyed(document, _bytes(document | {"note": "@@"}).replace(b"@@", b"\xc3\x28"))


def _too_large(document: Document) -> Raw:
    return _keyed(document, _bytes(document | {"note": "x" * BIG}))


def _too_deep(document: Document) -> Raw:
    deep = "[" * DEEP + "]" * DEEP
    return _keyed(document, _bytes(document | {"note": "@@"}).replace(b'"@@"', deep.encode()))


def _days_ahead(document: Document) -> Raw:
    ahead = datetime.fromisoformat(document["time"]) + timedelta(days=5)
    return _keyed(document, _bytes(document | {"time": ahead.isoformat()}))


def _without_data(document: Document) -> Raw:
    return _keyed(
        document, _bytes({key: value for key, value in document.items() if key != "data"})
    )


def _null_character(document: Document) -> Raw:
    return _keyed(document, _bytes(document | {"data": document["data"] | {"booking_id": "b\0"}}))


def _without_key(document: Document) -> Raw:
    return None, _bytes(document)


def _foreign_key(document: Document) -> Raw:
    return b"somebody-else", _bytes(document)


BOOKING, PAYMENT = "booking", "payment"

POISON: tuple[Poison, ...] = (
    Poison("bad UTF-8", "not-utf8", 400, BOOKING, _bad_utf8),
    Poison("no JSON", "not-json", 400, BOOKING, lambda doc: _keyed(doc, b"id;amount\r\n1;29,90")),
    Poison("NaN", "not-json", 400, PAYMENT, _spliced("amount_minor", "NaN")),
    Poison("infinite", "not-json", 400, PAYMENT, _spliced("amount_minor", "Infinity")),
    Poison("lone surrogate", "not-json", 400, BOOKING, _spliced("booking_id", '"\\ud800"')),
    Poison("10,000 deep", "not-json", 400, BOOKING, _too_deep),
    Poison("a key twice", "duplicate-key", 400, PAYMENT, _twice("amount_minor")),
    Poison("a key twice, once escaped", "duplicate-key", 400, BOOKING, _twice("b", r"\u0062")),
    Poison("2 MB", "too-large", 413, BOOKING, _too_large),
    Poison("U+0000", "invalid-field", 400, BOOKING, _null_character),
    Poison("negative amount", "invalid-field", 422, PAYMENT, _data(amount_minor=-1)),
    Poison("20-digit amount", "invalid-field", 422, PAYMENT, _data(amount_minor=10**19)),
    Poison("text for a number", "invalid-field", 422, PAYMENT, _data(amount_minor="1200")),
    Poison("number for a time", "invalid-field", 422, BOOKING, _data(starts_at=1_700_000_000)),
    Poison("time without zone", "invalid-field", 422, BOOKING, _with(time="2024-03-01T10:00:00")),
    Poison("of 1970", "invalid-field", 422, BOOKING, _with(time="1970-01-01T00:00:00Z")),
    Poison("without data", "invalid-field", 422, BOOKING, _without_data),
    Poison(
        "unknown version", "unknown-version", 422, BOOKING, _with(type="rapport.booking.created.v9")
    ),
    Poison("unknown type", "unknown-type", 422, BOOKING, _with(type="rapport.booking.dreamt.v1")),
    Poison("days ahead", "occurred-in-the-future", 422, BOOKING, _days_ahead),
    Poison("other currency", "currency-mismatch", 422, PAYMENT, _data(currency="EUR")),
    Poison("unknown practice", "unknown-practice", None, BOOKING, _with(practiceid="nobody")),
    Poison("missing key", "missing-key", None, BOOKING, _without_key),
    Poison("foreign key", "invalid-field", None, BOOKING, _foreign_key),
)
"""Every kind. `conflicting-duplicate` needs a history and is made where there is one."""
