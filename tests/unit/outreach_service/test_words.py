"""The words that outreach knows are those that the contracts list as known today."""

from enum import StrEnum

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outreach_service.builtin import builtin_catalogue
from outreach_service.domain import templates
from outreach_service.domain.messages import State
from outreach_service.domain.terms import TIER, Channel, Purpose, Reason
from outreach_service.rendering import render
from rapport_contracts import words
from rapport_contracts.characters import is_visible
from rapport_contracts.discreet import SENSITIVE_WORDS, telling_word, why_not_discreet


@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (Channel, words.CHANNELS),
        (Purpose, words.PURPOSES),
        (Reason, words.CHANGE_REASONS),
        (State, words.MESSAGE_STATES),
    ],
)
def test_each_word_of_the_contracts_is_known(known: type[StrEnum], listed: tuple[str, ...]) -> None:
    assert set(known) == set(listed)


def test_the_kind_of_occasion_that_outreach_makes_is_listed() -> None:
    assert TIER in words.OCCASION_KINDS


WELCOME = builtin_catalogue().templates["welcome", Channel.SMS, "en"]
PIECES = st.sampled_from([*templates.SENSITIVE_WORDS, "Ｃｕｒｅ", "www.", "\u200b", "a", " ", "海"])


def test_the_words_that_no_name_and_no_text_may_hold_are_the_same() -> None:
    assert templates.SENSITIVE_WORDS == SENSITIVE_WORDS


@given(st.lists(PIECES, max_size=5))
def test_a_name_that_registration_takes_tells_nothing_in_a_text(pieces: list[str]) -> None:
    name = "".join(pieces)
    is_refused = why_not_discreet(name) is not None
    assert is_refused or not any(templates.tells(name, Purpose.SERVICE))


@given(st.text(min_size=1, max_size=60).filter(lambda name: any(map(is_visible, name))))
def test_a_name_that_registration_takes_can_be_shown(name: str) -> None:
    assume(why_not_discreet(name) is None)
    body = render(WELCOME, {"name": "Ada", "practice": name}).body
    assert body.startswith(f"【{name.strip()}】")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Lakeside Depression & Anxiety Counselling", "depression"),
        ("care@lakesidecounselling.example", "counselling"),
        ("Lakeside Psychologists", "psychologist"),
        ("Mental-Health Harbour", "mental-health"),
        ("Dépression", "depression"),
        ("The cure", "cure"),
        ("care@xn--15ty46b.example", "心理"),
        ("care@xn--r8jz45g.jp", None),
        ("care@xn--.example", None),
        ("The Secure Harbour", None),
        ("Silver Lake", None),
        ("静港", None),
    ],
)
def test_a_telling_word_is_found_wherever_a_name_hides_it(name: str, word: str | None) -> None:
    assert telling_word(name) == word
