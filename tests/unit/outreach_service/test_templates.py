"""Texts: what the lint refuses, what rendering lets through, and the texts that come built in."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.builtin import builtin_catalogue
from outreach_service.documents.templates import read_catalogue
from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.faults import InvalidDocument
from outreach_service.domain.templates import Template, lint
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import RenderingFailed
from outreach_service.rendering import render
from outreach_service.unsubscribe import unsubscribe_key, unsubscribe_url

VALUES = {
    "name": "林小满",
    "practice": "海港",
    "unsubscribe_url": "https://rapport.invalid/u/0f0f",
}
CATALOGUE = builtin_catalogue()


def a_text(**changes: Any) -> Template:
    known = Template(
        key="hello",
        version=1,
        channel=Channel.EMAIL,
        purpose=Purpose.CARE,
        language="en",
        subject="Hello",
        body="Hello {{ name }} {{ unsubscribe_url }}",
        provider_template="",
        params={},
    )
    return replace(known, **changes)


SMS = {"channel": Channel.SMS, "provider_template": "SMS_1", "body": "【{{ practice }}】Hello"}
PROMOTION = {"purpose": Purpose.MARKETING}
LINK = "{{ unsubscribe_url }}"
NO_WAY_OUT = {"body": "Hello {{ name }}"}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        pytest.param({"body": "You are GOLD now"}, "body", id="a tier's name"),
        pytest.param({"subject": "金钻专享"}, "subject", id="a tier's name in Chinese"),
        pytest.param({"body": "your therapy"}, "body", id="what the practice does"),
        pytest.param({"body": "保证有效"}, "body", id="a promise of effect"),
        pytest.param({"body": "a discount for you"}, "body", id="an offer in a care message"),
        pytest.param({"body": "see https://example.net/x"}, "body", id="a link"),
        pytest.param({"body": "<img src=x>"}, "body", id="a pixel"),
        pytest.param({"body": "{{ mood }}"}, "body", id="a value that texts may not know"),
        pytest.param({"body": "{{ name.__class__ }}"}, "body", id="code"),
        pytest.param({"body": "{% for x in name %}{% endfor %}"}, "body", id="a loop"),
        pytest.param({"subject": ""}, "subject", id="no subject"),
        pytest.param({"subject": "a\nBcc: x"}, "subject", id="a subject of two lines"),
        pytest.param({**SMS, "body": "Hello"}, "body", id="an SMS without signature"),
        pytest.param({**SMS, **PROMOTION}, "body", id="a promotional SMS without a way out"),
        pytest.param({**SMS, "provider_template": ""}, "provider_template", id="no code"),
        pytest.param({**SMS, "params": {"x": "silver"}}, "params.x", id="a tier in a parameter"),
        pytest.param({**PROMOTION, **NO_WAY_OUT}, "body", id="promotion without a way out"),
        pytest.param(NO_WAY_OUT, "body", id="care without a way out"),
        pytest.param({"purpose": Purpose.SERVICE, **NO_WAY_OUT}, "body", id="service without one"),
        pytest.param({"body": f"ＤＥＰＲＥＳＳＩＯＮ{LINK}"}, "body", id="in full-width letters"),
        pytest.param({"body": f"coun\u200bselling{LINK}"}, "body", id="with invisible letters"),
        pytest.param({"body": f"coun\u034fselling{LINK}"}, "body", id="with an invisible mark"),
        pytest.param({"body": f"dépression {LINK}"}, "body", id="with an accent"),
        pytest.param({"body": f"our psychologists {LINK}"}, "body", id="of several people"),
        pytest.param({"body": f"心理諮商{LINK}"}, "body", id="in traditional characters"),
        pytest.param(
            {**PROMOTION, "channel": Channel.WECHAT, "provider_template": "T"},
            "purpose",
            id="marketing by WeChat",
        ),
        pytest.param({"body": "the harbour school"}, "body", id="the practice's own word"),
    ],
)
def test_the_lint_objects(changes: dict[str, Any], where: str) -> None:
    assert where in {fault.path for fault in lint(a_text(**changes), ["harbour"])}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="a plain hello"),
        pytest.param(
            {"body": f"environment, golden, secured {LINK}"}, id="words that only contain one"
        ),
        pytest.param({**SMS, **PROMOTION, "body": f"{SMS['body']} 拒收请回复R"}, id="with way out"),
        pytest.param({**PROMOTION, "body": "No more: {{ unsubscribe_url }}"}, id="with its link"),
    ],
)
def test_the_lint_is_content(changes: dict[str, Any]) -> None:
    assert lint(a_text(**changes)) == []


A_TEXT = {
    "key": "a",
    "version": 1,
    "channel": "email",
    "purpose": "care",
    "subject": "s",
    "body": "b",
}
NO_KEY = {name: value for name, value in A_TEXT.items() if name != "key"}


def in_english(*texts: Any) -> dict[str, Any]:
    return {"language": "en", "templates": list(texts)}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        pytest.param({"language": "en"}, "en.templates", id="no texts"),
        pytest.param({"templates": []}, "?.language", id="no language"),
        pytest.param({**in_english(), "x": 1}, "en.x", id="an unknown key beside the texts"),
        pytest.param(in_english(1), "en.templates[0]", id="no object"),
        pytest.param(
            in_english({**A_TEXT, "colour": "red"}),
            "en.templates[0].colour",
            id="an unknown key",
        ),
        pytest.param(in_english(NO_KEY), "en.templates[0].key", id="no key"),
        pytest.param(
            in_english({**A_TEXT, "version": True}), "en.templates[0].version", id="no number"
        ),
        pytest.param(
            in_english({**A_TEXT, "channel": "fax"}),
            "en.templates[0].channel",
            id="an unknown channel",
        ),
        pytest.param(
            in_english({**A_TEXT, "params": {"x": 1}}), "en.templates[0].params.x", id="no text"
        ),
    ],
)
def test_a_wrong_catalogue_is_refused_by_field(document: Any, field: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        read_catalogue([document])

    assert [fault.path for fault in refused.value.faults] == [field]


def test_all_faults_of_all_languages_are_named_at_once() -> None:
    tiers = {**A_TEXT, "subject": "", "body": "GOLD", "params": {"thing1": "银牌"}}
    documents = [
        in_english({**A_TEXT, "version": 0, "body": ""}),
        {"language": "zh-CN", "templates": [tiers]},
    ]

    with pytest.raises(InvalidDocument) as refused:
        read_catalogue(documents)

    assert {fault.path for fault in refused.value.faults} == {
        "en.templates[0].version",
        "en.templates[0].body",
        "zh-CN.templates[0].subject",
        "zh-CN.templates[0].body",
        "zh-CN.templates[0].params.thing1",
    }


def test_a_missing_language_falls_back() -> None:
    found = CATALOGUE.find("welcome", Channel.SMS, "fr")

    assert found is not None
    assert found.language == "zh-CN"
    assert CATALOGUE.find("farewell", Channel.SMS, "en") is None


@pytest.mark.parametrize(
    "template",
    [pytest.param(t, id="/".join(key)) for key, t in builtin_catalogue().templates.items()],
)
def test_every_built_in_text_can_be_sent(template: Template) -> None:
    text = render(template, VALUES)

    assert "{" not in text.body + text.subject + "".join(text.params.values())
    assert "林小满" in text.body
    if template.channel is Channel.WECHAT:
        assert all(1 <= len(value) <= 20 for value in text.params.values())


@given(st.text(max_size=200))
def test_no_name_breaks_out_of_its_line_and_none_becomes_another(name: str) -> None:
    """It goes as it is, but for line breaks, or it does not go."""
    template = a_text(subject="For {{ name }}", **{**SMS, "body": "【{{ practice }}】{{ name }}!"})
    typed = f"a{name}"[:200]
    try:
        text = render(template, {**VALUES, "name": typed})
    except RenderingFailed:
        return

    assert len(text.subject.splitlines()) == 1
    assert len(text.body.splitlines()) == 1
    assert text.body.count("【") == 1
    assert text.subject.split() == ["For", *typed.split()]


NAMES_AS_THEY_ARE = [
    pytest.param("علی\u200cرضا", id="a Persian name with its joiner"),
    pytest.param("ക്\u200dഷേമ", id="a name of Kerala with its joiner"),
    pytest.param("Ada 👩\u200d👩\u200d👧", id="a family of emoji"),
    pytest.param("Zoë ❤\ufe0f", id="a variation selector"),
    pytest.param("王\U0002a6a5", id="a rare character"),
    pytest.param("王\U00031350", id="a character newer than this Python"),
    pytest.param("שרה\u200f", id="a mark of direction"),
    pytest.param("王　小明", id="a wide space"),
    pytest.param("O’Neill-Łukasz, Jr.", id="marks and strokes"),
]


@pytest.mark.parametrize("name", NAMES_AS_THEY_ARE)
def test_a_name_goes_as_it_is(name: str) -> None:
    text = render(a_text(subject="{{ name }}"), {**VALUES, "name": name})
    assert (text.subject, text.body) == (name, f"Hello {name} {VALUES['unsubscribe_url']}")


def test_only_line_breaks_and_tabs_of_a_name_become_a_blank() -> None:
    text = render(a_text(subject="{{ name }}"), {**VALUES, "name": " Ada \r\n\tLovelace\u2028"})
    assert text.subject == "Ada Lovelace"


NAMES_THAT_WAIT = [
    pytest.param("王\ue000", id="a character of the private area"),
    pytest.param("王\U000f0001", id="of the private planes"),
    pytest.param("王\ufffd", id="a character that was lost"),
    pytest.param("Ada\x00", id="a control character"),
    pytest.param("\u202eadA", id="one that turns the direction"),
    pytest.param("A\u2066da", id="one that isolates"),
    pytest.param("A\u00adda", id="a soft hyphen"),
    pytest.param("Ada\ufeff", id="a mark of byte order"),
    pytest.param("王\ud800", id="half a character"),
    pytest.param("Ada\ufdd0", id="no character"),
    pytest.param("\u200d\u200c", id="nothing that can be seen"),
    pytest.param("\u3164", id="a letter that shows nothing"),
    pytest.param("\u2800", id="a symbol that shows nothing"),
]


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("name", NAMES_THAT_WAIT)
def test_a_name_that_not_every_screen_shows_is_never_sent_as_another(
    name: str, channel: Channel
) -> None:
    template = CATALOGUE.find("welcome", channel, "en")
    assert template is not None
    for whose in ("name", "practice"):
        with pytest.raises(RenderingFailed) as failed:
            render(template, {**VALUES, whose: name})
        assert failed.value.field == whose


def test_a_name_with_the_brackets_of_a_signature_does_not_go_by_sms() -> None:
    values = {**VALUES, "name": "【Bank】"}
    assert render(a_text(subject="{{ name }}"), values).subject == "【Bank】"
    with pytest.raises(RenderingFailed, match="name: has the brackets"):
        render(a_text(**SMS), values)


@pytest.mark.parametrize("name", ["=?utf-8?q?c=75re?=", "Ada=?UTF-8?B?Y3VyZQ==?="])
def test_an_encoded_word_stands_in_no_subject(name: str) -> None:
    """A mail program would show another text than the one that was judged."""
    with pytest.raises(RenderingFailed, match="subject: "):
        render(a_text(subject="Hello {{ name }}"), {**VALUES, "name": name})
    assert render(a_text(subject="Hello {{ name }}"), {**VALUES, "name": "1+1=?"}).subject


def test_wechat_cuts_no_clients_name_short() -> None:
    template = CATALOGUE.find("welcome", Channel.WECHAT, "en")
    assert template is not None
    long = {"name": "Alexandra Konstantinopoulou"}
    with pytest.raises(RenderingFailed, match="name: leaves thing1 longer than the 20"):
        render(template, VALUES | long)
    practice = {"practice": "The Harbour of the Lanterns"}
    assert render(template, VALUES | practice).params["thing2"] == "The Harbour of the …"


@pytest.mark.parametrize("name", ["{{ practice }}", "{% raw %}", "{{ ''.__class__ }}", "<b>x</b>"])
def test_a_name_is_text_whatever_it_looks_like(name: str) -> None:
    text = render(a_text(), {**VALUES, "name": name})

    assert text.body == f"Hello {name} {VALUES['unsubscribe_url']}"


@pytest.mark.parametrize(
    ("changes", "values", "field"),
    [
        pytest.param({"body": "{{ nobody }}"}, VALUES, "body", id="a missing value"),
        pytest.param({"body": "{{ name.__class__.__mro__ }}"}, VALUES, "body", id="reaching out"),
        pytest.param({"body": "{{ name"}, VALUES, "body", id="not a template"),
        pytest.param({"body": "x" * 20_001}, VALUES, "body", id="too long a text"),
        pytest.param({}, {**VALUES, "name": "x" * 201}, "name", id="too long a name"),
        pytest.param({}, {**VALUES, "name": " \n "}, "name", id="no name"),
    ],
)
def test_what_cannot_be_rendered_names_its_field(
    changes: dict[str, Any], values: dict[str, str], field: str
) -> None:
    with pytest.raises(RenderingFailed) as failed:
        render(a_text(**changes), values)

    assert failed.value.field == field


def test_the_longest_link_out_of_marketing_can_be_rendered() -> None:
    """Ids may be this long, and the link holds them and a signature."""
    subscription = Subscription("p" * 64, "c" * 64, Channel.EMAIL, Purpose.MARKETING)
    way_out = WayOut(subscription, "a" * 64)
    host = f"https://{'x' * 200}.example"
    link = unsubscribe_url(host, unsubscribe_key(base64.b64encode(bytes(32)).decode()), way_out)
    template = CATALOGUE.find("win-back", Channel.EMAIL, "en")
    assert template is not None
    assert link in render(template, {**VALUES, "unsubscribe_url": link}).body
