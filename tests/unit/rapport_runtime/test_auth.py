"""Keys are taken apart strictly, and only a hash is kept."""

import hashlib

import pytest

from rapport_runtime.http.api_keys import (
    Principal,
    checked_label,
    checked_practice,
    checked_scopes,
    new_key,
    parse_key,
    same_hash,
)


def test_a_new_key_can_be_taken_apart_again() -> None:
    raw, parts = new_key()
    assert parse_key(raw) == parts
    secret = raw.split("_", 2)[2]
    assert parts.secret_hash == hashlib.sha256(secret.encode()).digest()
    assert secret not in repr(parts)
    assert new_key()[0] != raw


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[1:], id="another prefix"),
        pytest.param(lambda raw: raw + "A", id="longer"),
        pytest.param(lambda raw: raw[:-1], id="shorter"),
        pytest.param(lambda raw: raw + "\n", id="a line more"),
        pytest.param(lambda raw: raw[:-1] + "é", id="not ASCII"),
        pytest.param(lambda raw: "", id="empty"),
    ],
)
def test_another_shape_is_no_key(change: object) -> None:
    assert parse_key(change(new_key()[0])) is None


def test_hashes() -> None:
    assert same_hash(b"a" * 32, b"a" * 32)
    assert not same_hash(b"a" * 32, b"a" * 31 + b"b")


def test_scopes_and_practices_are_checked() -> None:
    assert checked_scopes(["tiers:read", "clients:write", "tiers:read"]) == (
        "clients:write",
        "tiers:read",
    )
    for wrong in ([], [""], ["tiers"], ["Tiers:read"], ["a:b", "*:*"]):
        with pytest.raises(ValueError, match="scopes are words"):
            checked_scopes(wrong)
    assert checked_scopes(["admin"]) == ("admin",)
    assert checked_label("till, 前台") == "till, 前台"
    for wrong_label in ("a\nb", "a" * 101, "\x00"):
        with pytest.raises(ValueError, match="one line"):
            checked_label(wrong_label)
    assert checked_practice("north-1") == "north-1"
    assert checked_practice(None) is None
    for wrong_slug in ("", "North", "a" * 65, "a b"):
        with pytest.raises(ValueError, match="slug"):
            checked_practice(wrong_slug)


def test_an_operator_has_no_practice() -> None:
    assert Principal("k", "north", frozenset()).practice == "north"
    with pytest.raises(LookupError):
        _ = Principal("k", None, frozenset()).practice
