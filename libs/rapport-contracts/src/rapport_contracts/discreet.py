"""What a discreet name may not say: no stranger who reads it learns what clients come for."""

import re
from typing import Final

from rapport_contracts.characters import as_read, is_shown

SENSITIVE_WORDS: Final = (
    *("diagnosis", "diagnosed", "therapy", "therapist", "counselling", "counseling", "cure"),
    *("counsellor", "counsellors", "counselor", "counselors", "therapies", "therapists"),
    *("psychotherapy", "psychotherapist", "psychotherapists", "psychology", "psychological"),
    *("psychologist", "psychologists", "psychiatry", "psychiatrist", "psychiatrists"),
    *("psychiatric", "mental health", "addiction", "addictions", "rehab", "suicide", "suicidal"),
    *("depression", "depressed", "anxiety", "trauma", "bipolar", "guarantee", "guaranteed"),
    *("诊断", "治疗", "治愈", "疗效", "有效率", "保证", "抑郁", "焦虑", "创伤", "咨询师", "心理"),
    *("診斷", "治療", "治癒", "療效", "保證", "憂鬱", "抑鬱", "焦慮", "創傷", "諮商", "諮詢師"),
    *("精神科", "成瘾", "成癮", "失眠", "自杀", "自殺"),
)
"""Words of concern, of service and of effect, in English and Chinese."""

_LONG: Final = 6
"""A word of so many Latin letters is found inside others too: names and addresses of the web write
several as one."""


def _pattern(word: str) -> str:
    is_whole = word.isascii() and len(word) < _LONG
    anywhere = word.replace(" ", r"\W*")
    return rf"(?<![a-z]){word}(?![a-z])" if is_whole else anywhere


_WORDS: Final = re.compile("|".join(map(_pattern, SENSITIVE_WORDS)))
_LINK: Final = re.compile(r"https?:|www\.|<\s*(img|a|script|link)\b")


def telling_word(name: str) -> str | None:
    """The first word in a name or address that tells what clients come for; None without one."""
    found = _WORDS.search(as_read(name))
    return None if found is None else found[0]


def why_not_discreet(name: str) -> str | None:
    """Why messages may not show this name; None when they may."""
    if (word := telling_word(name)) is not None:
        return f"may not contain {word!r}: it tells what clients come for"
    if _LINK.search(as_read(name)):
        return "may not contain a link or markup"
    if not {"【", "】"}.isdisjoint(name):
        return "may not contain 【 or 】, which set the signature of an SMS apart"
    if not all(map(is_shown, name)):
        return "may not contain a character that not every screen shows"
    return None
