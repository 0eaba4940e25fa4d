"""An object with a key twice is no source event: of two equal keys each parser keeps another."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode, decode_source
from rapport_contracts.diagnosis import parse, refuse_duplicate_keys
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import PaymentSettled
from rapport_runtime.http.problems import MalformedJson
from rapport_runtime.http.strict_json import check_json
from tests.support.generators.wire_events import ACTIVITY, KEY, PAYMENTS, RECORDED, SETTLED, refusal

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def doubled(value: bytes, name: bytes, again: bytes) -> bytes:
    """The event with `again` before its field `name`, which is somewhere in it."""
    assert value.count(b'"%s":' % name) == 1
    return value.replace(b'"%s":' % name, b'"%s":1,"%s":' % (again, name))


def escaped(value: Any) -> bytes:
    return json.dumps(value).encode()


def plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def is_refused(value: bytes) -> bool:
    try:
        refuse_duplicate_keys(value, parse(value))
    except InvalidEvent as found:
        return found.reason == "duplicate-key"
    return False


@pytest.mark.parametrize("topic", [PAYMENTS, None])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(doubled(SETTLED, b"type", b"type"), id="the type"),
        pytest.param(doubled(SETTLED, b"amount_minor", b"amount_minor"), id="in the data"),
        pytest.param(doubled(SETTLED, b"amount_minor", b"amount\\u005fminor"), id="once escaped"),
        pytest.param(
            doubled(SETTLED, b"data", b'tip":{"a":1,"a":1},"tips'), id="in an extra field"
        ),
        pytest.param(doubled(SETTLED, b"data", b'tip":[[{"a":1,"a":2}]],"tips'), id="in a list"),
        pytest.param(
            doubled(doubled(SETTLED, b"id", b"id"), b"data", b'tip":"\\"","tips'), id="and a quote"
        ),
    ],
)
def test_a_key_twice_is_refused_at_every_door(topic: str | None, value: bytes) -> None:
    found = refusal(topic, KEY, value)
    assert (found.reason, found.field) == ("duplicate-key", None)
    with pytest.raises(MalformedJson):
        check_json(value)


@pytest.mark.parametrize(
    "extra", [b'"a": {"x": 1}, "b": {"x": 1}', b'"\\"": "\\"", "\\u0041": 1', b'"": "", " ": ""']
)
def test_what_only_looks_alike_is_an_event(extra: bytes) -> None:
    value = SETTLED.replace(b'"data":', b'"more": {%s}, "data":' % extra)
    assert isinstance(decode_source(PAYMENTS, KEY, value), PaymentSettled)


def test_our_own_topics_are_not_looked_at() -> None:
    """Only our services write there, and no record of theirs pays for the look."""
    value = doubled(RECORDED, b"practiceid", b"note").replace(b'"note":1', b'"note":1,"note":2')
    assert isinstance(decode(ACTIVITY, KEY, value), ActivityRecorded)


@given(VALUES)
@example({"\u2028": "\x7f"})
def test_no_document_without_a_key_twice_is_refused(value: Any) -> None:
    for written in (escaped, plain):
        assert not is_refused(written(value))


@given(TEXTS, VALUES, VALUES)
def test_every_key_twice_is_found(name: str, first: Any, second: Any) -> None:
    for written in (escaped, plain):
        key, one, two = map(written, (name, first, second))
        assert is_refused(b'[{"x": {%s: %s, %s :%s}}]' % (key, one, key, two))
