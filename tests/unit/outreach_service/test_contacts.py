"""Contact points: one spelling each, and errors that do not repeat what was typed."""

import pytest

from outreach_service.contacts import InvalidContact, normalise
from outreach_service.domain.terms import Channel

OPENID = "oABCD-efgh_0123456789abcdefg"


@pytest.mark.parametrize(
    ("channel", "typed", "one_spelling"),
    [
        pytest.param("sms", "138 0013 8000", "+8613800138000", id="as dialled at home"),
        pytest.param("sms", "＋８６１３８００１３８０００", "+8613800138000", id="full width"),
        pytest.param("sms", "0086-138-0013-8000", "+8613800138000", id="with dashes"),
        pytest.param("sms", "+1 212 555 2368", "+12125552368", id="from abroad"),
        pytest.param("email", "Lin.Xiaoman@EXAMPLE.net", "Lin.Xiaoman@example.net", id="domain"),
        pytest.param("wechat", OPENID, OPENID, id="an openid"),
    ],
)
def test_one_spelling(channel: str, typed: str, one_spelling: str) -> None:
    assert normalise(Channel(channel), typed) == one_spelling


@pytest.mark.parametrize(
    ("channel", "typed", "field"),
    [
        pytest.param("sms", "canary", "phone", id="letters"),
        pytest.param("sms", "12345", "phone", id="too short"),
        pytest.param("sms", "+86 138 0013 8000 ext 5", "phone", id="an extension"),
        pytest.param("email", "canary", "email", id="no address"),
        pytest.param("email", "a@example.net\r\nBcc: canary@example.net", "email", id="a header"),
        pytest.param("email", "canary@localhost", "email", id="no public domain"),
        pytest.param("wechat", "canary openid", "openid", id="spaces"),
        pytest.param("wechat", OPENID + "\n", "openid", id="a line break"),
    ],
)
def test_what_nothing_can_be_sent_to(channel: str, typed: str, field: str) -> None:
    with pytest.raises(InvalidContact) as refused:
        normalise(Channel(channel), typed)

    assert refused.value.field == field
    assert "canary" not in str(refused.value)


def test_national_numbers_are_read_in_the_practices_region() -> None:
    assert normalise(Channel.SMS, "020 7946 0018", "GB") == "+442079460018"
