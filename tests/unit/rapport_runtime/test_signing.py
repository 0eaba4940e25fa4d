"""A signed token gives back what it was made of, to its own purpose and key alone."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_runtime.signing import Value, open_signed, sign

KEY, PURPOSE = b"k" * 32, b"toys"
VALUES = st.lists(st.one_of(st.text(st.characters(codec="utf-8")), st.integers())).map(tuple)


@given(values=VALUES, purpose=st.binary())
def test_a_token_gives_its_values_back(values: tuple[Value, ...], purpose: bytes) -> None:
    assert open_signed(sign(values, KEY, purpose), KEY, purpose) == values


@given(values=VALUES, place=st.integers(0, 400), letter=st.sampled_from("AZaz09-_.~/ é"))
def test_an_altered_token_never_means_something_else(
    values: tuple[Value, ...], place: int, letter: str
) -> None:
    token = sign(values, KEY, PURPOSE)
    spot = place % len(token)
    altered = token[:spot] + letter + token[spot + 1 :]
    assert open_signed(altered, KEY, PURPOSE) in (None, values)


@given(token=st.text())
def test_whatever_comes_is_answered(token: str) -> None:
    assert open_signed(token, KEY, PURPOSE) is None


@pytest.mark.parametrize(
    ("key", "purpose"),
    [
        pytest.param(b"l" * 32, PURPOSE, id="another-key"),
        pytest.param(KEY, b"toy", id="a-shorter-purpose"),
        pytest.param(KEY, b"toys[", id="a-purpose-that-takes-of-the-values"),
        pytest.param(KEY, b"", id="no-purpose"),
    ],
)
def test_another_key_or_purpose_opens_nothing(key: bytes, purpose: bytes) -> None:
    assert open_signed(sign(["a", 1], KEY, PURPOSE), key, purpose) is None


def test_no_byte_passes_from_the_purpose_to_the_values() -> None:
    """The tag covers the purpose's length: `toys` + `[1]` is not `toys[` + `1]`, though they are
    the same bytes in a row."""
    tag = base64.urlsafe_b64decode(sign([1], KEY, PURPOSE) + "==")[:16]
    moved = base64.urlsafe_b64encode(tag + b"1]").decode().rstrip("=")
    assert open_signed(moved, KEY, b"toys[") is None


def test_the_format_stays_as_it_is() -> None:
    """A link in a message may be opened years later."""
    assert sign(["harbour", 7], bytes(32), b"toys") == "864lR02_YhPbsZcEQbTGf1siaGFyYm91ciIsN10"
