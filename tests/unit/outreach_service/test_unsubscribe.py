"""Unsubscribe links: what was signed comes back, and nothing else does; addresses stay masked."""

from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain.consents import Subscription, WayOut, masked
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.unsubscribe import (
    unsubscribe_key,
    unsubscribe_token,
    unsubscribe_url,
    way_out_of,
)

KEY = unsubscribe_key("aW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtMTI=")
MARKETING = Subscription("harbour", "1" * 32, Channel.EMAIL, Purpose.MARKETING)
LIN = WayOut(MARKETING, "a" * 64)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
WAYS_OUT = st.builds(
    WayOut,
    st.builds(Subscription, WORDS, WORDS, st.sampled_from(Channel), st.sampled_from(Purpose)),
    st.none() | WORDS,
)


@given(way_out=WAYS_OUT)
def test_a_token_gives_back_what_it_was_made_of(way_out: WayOut) -> None:
    token = unsubscribe_token(KEY, way_out)
    assert way_out_of(KEY, token) == way_out
    assert way_out_of(bytes(32), token) is None


@given(place=st.integers(0, 200), letter=st.sampled_from("AZaz09-_.~/ é"))
def test_an_altered_token_never_means_something_else(place: int, letter: str) -> None:
    token = unsubscribe_token(KEY, LIN)
    spot = place % len(token)
    altered = token[:spot] + letter + token[spot + 1 :]
    assert way_out_of(KEY, altered) in (None, LIN)


@given(token=st.text())
def test_whatever_comes_is_answered(token: str) -> None:
    assert way_out_of(KEY, token) is None


def test_the_link_is_an_address_of_this_service() -> None:
    url = unsubscribe_url("https://rapport.example/", KEY, LIN)
    assert url.startswith("https://rapport.example/v1/unsubscribe/")
    assert way_out_of(KEY, url.rpartition("/")[2]) == LIN


def test_a_masked_address_cannot_be_used() -> None:
    assert masked(Channel.SMS, "+8613800138000") == "***8000"
    assert masked(Channel.EMAIL, "lin@example.com") == "***@example.com"
    assert masked(Channel.WECHAT, "o" * 24 + "abcd") == "***abcd"
