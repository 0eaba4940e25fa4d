"""Sealed bytes: readable in their own place only, under any key that is still there."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_runtime.sealing import CannotUnseal, InvalidKeys, Keyring, place_of


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


OLD, NEW = key(1), key(2)
HERE = place_of("group", "topic", "3", "17")
RING = Keyring({"k1": OLD}, active="k1")


@given(st.binary())
def test_what_is_sealed_can_be_read(plain: bytes) -> None:
    assert RING.unseal(RING.seal(plain, HERE), HERE) == plain


def test_sealed_bytes_name_their_key_and_never_look_the_same_twice() -> None:
    one, other = RING.seal(b"burgundy", HERE), RING.seal(b"burgundy", HERE)

    assert one.startswith(b"k1:")
    assert one != other
    assert b"burgundy" not in one


@pytest.mark.parametrize(
    "elsewhere",
    [
        place_of("group", "topic", "3", "18"),
        place_of("group", "topic", "31", "7"),
        place_of("grouptopic", "", "3", "17"),
        b"",
    ],
)
def test_bytes_moved_elsewhere_do_not_open(elsewhere: bytes) -> None:
    with pytest.raises(CannotUnseal, match="not this place's, or altered"):
        RING.unseal(RING.seal(b"x", HERE), elsewhere)


@pytest.mark.parametrize("sealed", [b"", b"k1:", b"k1:\xff", b"k1:" + b"A" * 64, b"x"])
def test_nonsense_does_not_open(sealed: bytes) -> None:
    with pytest.raises(CannotUnseal):
        RING.unseal(sealed, HERE)


def test_one_changed_byte_does_not_open() -> None:
    raw = bytearray(RING.seal(b"x", HERE))
    raw[-1] ^= 1

    with pytest.raises(CannotUnseal):
        RING.unseal(bytes(raw), HERE)


def test_a_key_that_is_gone_is_named_and_what_is_no_key_is_not_shown() -> None:
    with pytest.raises(CannotUnseal, match="there is no key 'k9'"):
        RING.unseal(b"k9:" + bytes(40), HERE)
    with pytest.raises(CannotUnseal) as refused:
        RING.unseal(b'{"name": "Zhang Wei"}', HERE)
    assert "Zhang" not in str(refused.value)


def test_keys_rotate() -> None:
    sealed = RING.seal(b"x", HERE)
    both = Keyring({"k1": OLD, "k2": NEW}, active="k2")
    again = both.seal(both.unseal(sealed, HERE), HERE)

    assert not both.is_current(sealed)
    assert both.is_current(again)
    assert Keyring({"k2": NEW}, active="k2").unseal(again, HERE) == b"x"


@pytest.mark.parametrize(
    ("keys", "active"),
    [
        pytest.param({"k1": OLD}, "k2", id="the active key is missing"),
        pytest.param({"k1": "not base64!"}, "k1", id="no base64"),
        pytest.param({"k1": base64.b64encode(b"short").decode()}, "k1", id="too short"),
        pytest.param({"k:1": OLD}, "k:1", id="a colon in the id"),
    ],
)
def test_unusable_keys_are_refused_without_naming_them(keys: dict[str, str], active: str) -> None:
    with pytest.raises(InvalidKeys) as refused:
        Keyring(keys, active=active)

    assert OLD not in str(refused.value)
