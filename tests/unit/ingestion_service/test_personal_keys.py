"""How e-mail addresses and phone numbers are written before they are hashed."""

import pytest

from ingestion_service.personal_keys import PersonalKeys, one_spelling


@pytest.mark.parametrize(
    ("text", "region", "spelling"),
    [
        ("Wren@Lantern-Harbour.com", None, "wren@lantern-harbour.com"),
        (" ｗｒｅｎ@lantern-harbour.com ", None, "wren@lantern-harbour.com"),
        ("+86 138 0013 8000", None, "+8613800138000"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("+44 7700 900123", None, "+447700900123"),  # a range that is given to nobody yet
        ("0086 13800138000", "CN", "+8613800138000"),
    ],
)
def test_each_is_written_in_one_way(text: str, region: str | None, spelling: str) -> None:
    assert one_spelling(text, region) == spelling


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("138 0013 8000", None),
        ("c-1042", "CN"),
        ("1042", "CN"),
        ("0000 000 0000", "CN"),
        ("+1002", None),
        ("王芳", "CN"),
        ("+86 10 6552 9988 ext 12", None),
        ("client 13800138000", "CN"),
        ("+1 800 FLOWERS", None),
        ("wáng@lantern-harbour.com", None),
        ("wren@", None),
        ("", "CN"),
    ],
)
def test_what_is_neither_has_no_spelling(text: str, region: str | None) -> None:
    assert one_spelling(text, region) is None
    assert PersonalKeys(bytes(32)).hashed("lakeside", "desk", text, region) is None


def test_a_hash_is_of_one_practice_and_namespace_and_key() -> None:
    keys, others = PersonalKeys(bytes(32)), PersonalKeys(bytes(range(32)))
    address = "wren@lantern-harbour.com"
    hashes = {
        keys.hashed("lakeside", "desk", address, None),
        keys.hashed("meadow", "desk", address, None),
        keys.hashed("lakeside", "till", address, None),
        others.hashed("lakeside", "desk", address, None),
    }
    assert len(hashes) == 4
    assert keys.hashed("lakeside", "desk", address.upper(), None) in hashes
    assert not any(address in str(each) for each in hashes)
