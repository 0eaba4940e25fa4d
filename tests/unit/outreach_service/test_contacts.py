"""Contact points: one spelling each, and errors that do not repeat what was typed."""

import pytest

from outreach_service.contacts import InvalidContact, NotServed, normalise, region_of
from outreach_service.domain.terms import Channel
from outreach_service.providers.aliyun_sms import provider_number

OPENID = "oABCD-efgh_0123456789abcdefg"


@pytest.mark.parametrize(
    ("channel", "typed", "one_spelling"),
    [
        pytest.param("sms", "＋８６１３８００１３８０００", "+8613800138000", id="full width"),
        pytest.param("sms", "+86-138-0013-8000", "+8613800138000", id="with dashes"),
        pytest.param("sms", "+1 212 555 2368", "+12125552368", id="from abroad"),
        pytest.param("email", "Lin.Xiaoman@EXAMPLE.net", "Lin.Xiaoman@example.net", id="domain"),
        pytest.param("email", "x@例え.JP", "x@xn--r8jz45g.jp", id="a domain of another script"),
        pytest.param("email", "x@xn--r8jz45g.jp", "x@xn--r8jz45g.jp", id="the same in ASCII"),
        pytest.param("wechat", OPENID, OPENID, id="an openid"),
    ],
)
def test_one_spelling(channel: str, typed: str, one_spelling: str) -> None:
    assert normalise(Channel(channel), typed) == one_spelling


@pytest.mark.parametrize(
    ("channel", "typed", "field"),
    [
        pytest.param("sms", "canary", "phone", id="letters"),
        pytest.param("sms", "+8612345", "phone", id="too short"),
        pytest.param("sms", "138 0013 8000", "phone", id="no country"),
        pytest.param("sms", "+86 10 1234 5678", "phone", id="a landline"),
        pytest.param("sms", "+86 400 123 4567", "phone", id="a service number"),
        pytest.param("sms", "+1 800 555 0100", "phone", id="a free number"),
        pytest.param("sms", "+81 50 1234 5678", "phone", id="a number of the internet"),
        pytest.param("sms", "+86 138 0013 8000 ext 5", "phone", id="an extension"),
        pytest.param("email", "canary", "email", id="no address"),
        pytest.param("email", "a@example.net\r\nBcc: canary@example.net", "email", id="a header"),
        pytest.param("email", "canary@localhost", "email", id="no public domain"),
        pytest.param("email", "=?utf-8?q?canary?=@example.net", "email", id="an encoded word"),
        pytest.param("email", "金丝雀@example.net", "email", id="not every relay takes it"),
        pytest.param("wechat", "canary openid", "openid", id="spaces"),
        pytest.param("wechat", OPENID + "\n", "openid", id="a line break"),
    ],
)
def test_what_nothing_can_be_sent_to(channel: str, typed: str, field: str) -> None:
    with pytest.raises(InvalidContact) as refused:
        normalise(Channel(channel), typed)

    assert refused.value.field == field
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "region", "whole"),
    [
        ("07400 123456", "GB", "+447400123456"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("0086-138-0013-8000", "CN", "+8613800138000"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("090-1234-5678", "JP", "+819012345678"),
        ("+86 138 0013 8000", "US", "+8613800138000"),
    ],
)
def test_national_numbers_are_read_in_the_practices_region(
    typed: str, region: str, whole: str
) -> None:
    assert normalise(Channel.SMS, typed, region) == whole


@pytest.mark.parametrize(
    ("region", "zone", "read_in"),
    [
        ("US", "Asia/Shanghai", "US"),
        (None, "Asia/Shanghai", "CN"),
        (None, "Europe/London", "GB"),
        (None, "UTC", None),
        (None, "", None),
    ],
)
def test_a_practice_that_names_no_region_is_in_its_zones_country(
    region: str | None, zone: str, read_in: str | None
) -> None:
    assert region_of(region, zone) == read_in


def test_a_number_of_a_country_that_is_not_served_is_refused_by_name() -> None:
    with pytest.raises(InvalidContact, match="is a number of US; SMS go to CN, HK alone"):
        normalise(Channel.SMS, "+1 386 258 1234", "CN", {"HK", "CN"})


@pytest.mark.parametrize("serves", [{"CN"}, {"CN", "US"}])
@pytest.mark.parametrize("number", ["+13862581234", "+13001234567", "+19995551234"])
def test_no_number_abroad_has_the_form_of_one_of_the_mainland(
    number: str, serves: set[str]
) -> None:
    with pytest.raises(NotServed):
        provider_number(number, serves)


def test_a_provider_gets_the_country_code_with_every_number() -> None:
    assert provider_number("+8613800138000", {"CN"}) == "8613800138000"
    assert provider_number("+85261234567", {"CN", "HK"}) == "85261234567"
