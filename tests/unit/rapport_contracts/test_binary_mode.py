"""Headers that lack, repeat or contradict something are refused by field."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts.binary_mode import from_http, is_binary, names_of, whole_event
from rapport_contracts.codec import MAX_VALUE_BYTES, decode_source
from rapport_contracts.errors import InvalidEvent

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "rapport.payment.failed.v1",
    "id": "p-1/failed",
    "source": "moon-gate-pay",
    "practiceid": "lantern-harbour",
    "subject": "c-17",
    "time": "2026-03-01T09:00:00+08:00",
}
DATA = {"payment_id": "p-1"}
VALUE = json.dumps(DATA).encode()
HEADERS = [(f"ce_{name}", text.encode()) for name, text in EVENT.items()]
JSON = ("content-type", b"application/json")
STRUCTURED = ("content-type", b"application/cloudevents+json")
WHOLE = json.dumps({**EVENT, "data": DATA}).encode()


def refusal(headers: list[tuple[str, bytes]], value: bytes = VALUE) -> tuple[str, str | None]:
    with pytest.raises(InvalidEvent) as refused:
        decode_source(None, None, whole_event(headers, value))
    return refused.value.reason, refused.value.field


def test_headers_and_value_make_one_event() -> None:
    expected = decode_source(None, None, WHOLE)
    for headers in (HEADERS, [*HEADERS, JSON], [*reversed(HEADERS), ("x", b"y")]):
        assert decode_source(None, None, whole_event(headers, VALUE)) == expected
        assert is_binary(headers)


def test_without_attributes_in_headers_the_value_is_the_event() -> None:
    for headers in ([], [JSON], [STRUCTURED], [("id", b"x")]):
        assert whole_event(headers, WHOLE) == WHOLE
        assert whole_event(headers, None) is None
        assert not is_binary(headers)


def test_a_tombstone_stays_one() -> None:
    assert whole_event(HEADERS, None) is None


@pytest.mark.parametrize("name", list(EVENT))
def test_what_is_missing_is_refused_by_field(name: str) -> None:
    headers = [header for header in HEADERS if header[0] != f"ce_{name}"]
    if name == "subject":
        assert decode_source(None, None, whole_event(headers, VALUE)).subject is None
    else:
        assert refusal(headers) == ("invalid-field", f"/{name}")


@pytest.mark.parametrize("name", list(EVENT))
def test_what_two_headers_say_differently_is_refused_by_field(name: str) -> None:
    assert refusal([*HEADERS, (f"ce_{name}", b"other")]) == ("invalid-field", f"/{name}")
    again = [*HEADERS, (f"ce_{name}", EVENT[name].encode())]
    assert whole_event(again, VALUE) == whole_event(HEADERS, VALUE)


@pytest.mark.parametrize("name", list(EVENT))
def test_a_header_that_contradicts_a_structured_event_is_refused_by_field(name: str) -> None:
    assert whole_event([STRUCTURED, *HEADERS], WHOLE) == WHOLE
    headers = [STRUCTURED, (f"ce_{name}", b"other")]
    assert refusal(headers, WHOLE) == ("invalid-field", f"/{name}")
    assert refusal([STRUCTURED, *HEADERS], b"[]")[0] == "invalid-field"


@pytest.mark.parametrize(
    ("headers", "value", "expected"),
    [
        ([*HEADERS, ("content-type", b"text/plain")], VALUE, ("invalid-field", "/datacontenttype")),
        ([*HEADERS, ("ce_data", b"{}")], VALUE, ("invalid-field", "/data")),
        ([*HEADERS, ("ce_site", b"\xff")], VALUE, ("not-utf8", "/site")),
        ([*HEADERS, ("ce_backfill", b"yes")], VALUE, ("invalid-field", "/backfill")),
        (HEADERS, b'{"payment_id": ""}', ("invalid-field", "/data/payment_id")),
        (HEADERS, b"p-1", ("not-json", None)),
        (HEADERS, b"\xff", ("not-utf8", None)),
        (HEADERS, b'{"a": 1, "a": 1, "payment_id": "p-1"}', ("duplicate-key", None)),
        (HEADERS, b'{"payment_id": "p-1"}, "id": "x"', ("not-json", None)),
        (HEADERS, b" " * (MAX_VALUE_BYTES + 1), ("too-large", None)),
    ],
)
def test_what_is_no_event_is_refused(
    headers: list[tuple[str, bytes]], value: bytes, expected: tuple[str, str | None]
) -> None:
    assert refusal(headers, value) == expected


def test_whom_a_record_names_is_found_where_it_is_no_event() -> None:
    named = ("lantern-harbour", "moon-gate-pay")
    assert names_of(HEADERS, b"\xff") == named
    assert names_of([], WHOLE) == named
    assert names_of([STRUCTURED, ("ce_source", b"other")], WHOLE) == named
    assert names_of([*HEADERS, ("ce_source", b"\xff")], None) == (None, None)


def test_in_http_attributes_are_written_in_percent() -> None:
    headers = from_http([(b"CE-Subject", b"c-%E9%9D%99"), (b"Accept", b"*/*")])
    assert headers == [("ce_subject", "c-静".encode())]


@given(
    st.lists(
        st.tuples(st.sampled_from(["ce_id", "ce_", "ce_type", "x", "content-type"]), st.binary())
    ),
    st.none() | st.binary(),
)
def test_whatever_comes_is_read_or_refused(
    headers: list[tuple[str, bytes]], value: bytes | None
) -> None:
    names_of(headers, value)
    with contextlib.suppress(InvalidEvent):
        whole_event(headers, value)
