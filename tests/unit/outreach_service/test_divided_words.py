"""A word that no message may show is found also when it is divided, and ordinary borders of words
make none."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.builtin import builtin_catalogue
from outreach_service.domain import templates
from outreach_service.domain.templates import Catalogue, Template, tells
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.rendering import Composer, render
from rapport_contracts.discreet import telling_word, why_not_discreet
from tests.unit.outreach_service.memory_outreach import MemoryOutreach

BUILT_IN = builtin_catalogue().templates

WORDS = (*templates.TIER_NAMES, *templates.SENSITIVE_WORDS, *templates.OFFER_WORDS)
UNSEEN = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u0301", "\u20dd", "\u3164", "\u115f"]
SIGNS = [
    ".",
    "-",
    "_",
    "·",
    "•",
    "*",
    "/",
    "|",
    "~",
    "\u2010",
    "\u2013",
    "．",
    "＿",
    "🌸",
    "\ue000",
]
BLANKS = [" ", "\u00a0", "\u3000", "\u2003", "\t"]
BREAKS = ["\n", "。", ", "]
PLAIN = ["", "Hello ", "您好，", "(", "2026 "]


def full_width(word: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in word)


def divided(word: str, dividers: list[str], draw: st.DrawFn, *, everywhere: bool) -> str:
    """The word with a divider at each place, or at some."""
    some = st.sampled_from(dividers if everywhere else ["", *dividers])
    parts = word.replace(" ", "" if everywhere else " ")
    return parts[0] + "".join(draw(some) + each for each in parts[1:])


@st.composite
def hidden(draw: st.DrawFn, words: tuple[str, ...]) -> tuple[str, str]:
    """A word, and a text in which it is divided as an eye still reads it."""
    word = draw(st.sampled_from(words))
    is_latin = word.isascii()
    ways = [
        divided(word, UNSEEN + SIGNS + ([] if is_latin else BLANKS), draw, everywhere=False),
        divided(word, UNSEEN, draw, everywhere=False),
    ]
    if word[0] != "%":
        ways.append(divided(word, SIGNS + BLANKS + BREAKS, draw, everywhere=True))
    shown = draw(st.sampled_from([*ways, full_width(ways[0])]))
    return word, draw(st.sampled_from(PLAIN)) + shown + draw(st.sampled_from(["", "!", ", dear"]))


@given(hidden(WORDS))
def test_a_divided_word_is_found_in_a_text(found: tuple[str, str]) -> None:
    word, text = found
    assert repr(word) in set(tells(text, Purpose.CARE))


@given(hidden(templates.SENSITIVE_WORDS))
def test_a_divided_word_is_found_in_a_name(found: tuple[str, str]) -> None:
    assert telling_word(found[1]) is not None


@pytest.mark.parametrize(
    "text",
    [
        "自 杀",
        "抑\u200b郁",
        "自\n杀",
        "我们提供心 理支持",
        "d.e.p.r.e.s.s.i.o.n",
        "D E P R E S S I O N",
        "de-pression",
        "c_u_r_e",
        "coun\u00adselling",
    ],
)
def test_such_as(text: str) -> None:
    assert any(tells(text, Purpose.SERVICE))
    assert why_not_discreet(text) is not None


def halves() -> Iterator[tuple[str, str]]:
    """Each long Latin word of the lists in two, as if these were two words."""
    for word in WORDS:
        for cut in range(2, len(word) - 1) if word.isalpha() and word.isascii() else ():
            yield word, f"{word[:cut]} {word[cut:]}"


def test_a_blank_between_words_of_several_letters_is_a_border() -> None:
    """Else `the coup on Monday` would be an offer."""
    wrong = [text for word, text in halves() if repr(word) in set(tells(text, Purpose.CARE))]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "after the coup on Monday",
        "I. Ron wrote, and so did I, Ron",
        "off every day; an unsecured door",
        "the rap is free",
        "我们很用心，理解您的时间",
        "请放心。理由随后告知",
        "请放心\n理由随后告知",
        "用心——理解每一位",
        "中心（理事会）",
    ],
)
def test_ordinary_borders_make_no_word(text: str) -> None:
    assert list(tells(text, Purpose.CARE)) == []
    assert telling_word(text) is None


@pytest.mark.parametrize(
    "template",
    [pytest.param(t, id="/".join(key)) for key, t in BUILT_IN.items()],
)
@pytest.mark.parametrize(
    ("name", "practice"), [("林小满", "海港"), ("Ada Lovelace", "Lantern Harbour"), ("王开心", "-")]
)
def test_no_built_in_text_is_refused(template: Template, name: str, practice: str) -> None:
    link = "https://rapport.invalid/v1/unsubscribe/0f0f"
    values = {"name": name, "practice": practice, "unsubscribe_url": link}
    text = render(template, values)
    shown = re.sub(re.escape(link), "", "\n".join([text.subject, text.body, *text.params.values()]))
    assert list(tells(shown, template.purpose)) == []


def test_no_practices_name_makes_a_word_of_what_is_beside_it(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    claimed = replace(outreach.claim(), template="beside", language="zh-CN")
    body = "【{{ practice }}】我们的中心{{ practice }}理解您"
    beside = replace(BUILT_IN["welcome", Channel.SMS, "zh-CN"], key="beside", body=body)
    catalogue = Catalogue({("beside", Channel.SMS, "zh-CN"): beside})
    assert "中心" in Composer(catalogue, lambda _: "")(claimed).body
