"""Sealed contact details: readable in their own place only, under any key that is still there."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.sealing import ContactKeyring, Place
from rapport_runtime.sealing import CannotUnseal, InvalidKeys


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


OLD, NEW, INDEX = key(1), key(2), key(3)
HERE = Place("harbour", "crunchy-armchair", "phone")
RING = ContactKeyring({"k1": OLD}, active="k1", index_key=INDEX)


@given(st.text())
def test_what_is_sealed_can_be_read(text: str) -> None:
    assert RING.unseal(RING.seal(text, HERE), HERE) == text


def test_a_sealed_text_names_its_key_and_never_looks_the_same_twice() -> None:
    one, other = RING.seal("+8613800138000", HERE), RING.seal("+8613800138000", HERE)

    assert one.startswith("k1:")
    assert one != other
    assert "13800138000" not in base64.b64decode(one[3:]).decode("latin-1")


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("lakeside", "crunchy-armchair", "phone"),
        Place("harbour", "soggy-lamp", "phone"),
        Place("harbour", "crunchy-armchair", "email"),
        Place("harbourcrunchy", "-armchair", "phone"),
    ],
)
def test_a_text_moved_elsewhere_does_not_open(elsewhere: Place) -> None:
    with pytest.raises(CannotUnseal):
        RING.unseal(RING.seal("x", HERE), elsewhere)


@pytest.mark.parametrize("sealed", ["", "k1:", "k1:!!", "k9:AAAA", "k1:" + "A" * 64, "x"])
def test_nonsense_does_not_open(sealed: str) -> None:
    with pytest.raises(CannotUnseal):
        RING.unseal(sealed, HERE)


def test_one_changed_byte_does_not_open() -> None:
    raw = bytearray(base64.b64decode(RING.seal("x", HERE)[3:]))
    raw[-1] ^= 1

    with pytest.raises(CannotUnseal):
        RING.unseal("k1:" + base64.b64encode(raw).decode(), HERE)


def test_keys_rotate() -> None:
    sealed = RING.seal("x", HERE)
    both = ContactKeyring({"k1": OLD, "k2": NEW}, active="k2", index_key=INDEX)
    again = both.seal(both.unseal(sealed, HERE), HERE)

    assert not both.is_current(sealed)
    assert both.is_current(again)
    assert ContactKeyring({"k2": NEW}, active="k2", index_key=INDEX).unseal(again, HERE) == "x"


def test_a_blind_index_finds_the_same_point_of_the_same_practice_only() -> None:
    index = RING.blind_index("harbour", "phone", "+8613800138000")
    others = {
        RING.blind_index("lakeside", "phone", "+8613800138000"),
        RING.blind_index("harbour", "email", "+8613800138000"),
        RING.blind_index("harbour", "phone", "+8613800138001"),
        ContactKeyring({"k1": OLD}, active="k1", index_key=NEW).blind_index(
            "harbour", "phone", "+8613800138000"
        ),
    }

    assert index == RING.blind_index("harbour", "phone", "+8613800138000")
    assert len(index) == 64
    assert index not in others
    assert len(others) == 4


@pytest.mark.parametrize(
    ("keys", "active", "index_key"),
    [
        pytest.param({"k1": OLD}, "k2", INDEX, id="the active key is missing"),
        pytest.param({"k1": "not base64!"}, "k1", INDEX, id="no base64"),
        pytest.param({"k1": base64.b64encode(b"short").decode()}, "k1", INDEX, id="too short"),
        pytest.param({"k:1": OLD}, "k:1", INDEX, id="a colon in the id"),
        pytest.param({"k1": OLD}, "k1", "", id="no index key"),
    ],
)
def test_unusable_keys_are_refused_without_naming_them(
    keys: dict[str, str], active: str, index_key: str
) -> None:
    with pytest.raises(InvalidKeys) as refused:
        ContactKeyring(keys, active=active, index_key=index_key)

    assert OLD not in str(refused.value)
