"""What a discreet name may not say: no stranger who reads it learns what clients come for."""

import re
from typing import Final

from rapport_contracts.characters import as_read, holds_encoded_word, is_shown

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


_ENDS: Final = re.escape(',;:!?。、—"“”()[]{}<>「」『』《》〈〉【】\n\r\u2028\u2029')
_SIGNS: Final = r"(?:[^\w\s]|_)*"
_SIGNS_AND_BLANKS: Final = rf"(?:[^\w{_ENDS}]|_)*"
_ANY: Final = r"[\W_]*"
"""What may divide the letters of a word: any sign but a blank; also blanks, but nothing that ends
a phrase; anything but a letter or digit."""

_ALONE: Final = r"(?<![^\W_]){}(?![^\W_])"
"""A letter beside which there is none."""


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _pattern(word: str) -> re.Pattern[str]:
    """Finds a word also when it is divided: by signs; Chinese by blanks too; Latin letters by
    blanks where each stands alone, since between others a blank is the ordinary border."""
    within = _SIGNS if word.isascii() else _SIGNS_AND_BLANKS
    divided = _SIGNS_AND_BLANKS.join(within.join(part) for part in word.split())
    alone = _ANY.join(map(_ALONE.format, word.replace(" ", "")))
    if not word.isascii():
        return re.compile(f"{divided}|{alone}")
    inside = [word.replace(" ", _ANY)] if len(word) >= _LONG else []
    return re.compile("|".join([*inside, f"(?<![a-z]){divided}(?![a-z])", alone]))


_WORDS: Final = tuple((_letters(word), _pattern(word)) for word in SENSITIVE_WORDS)
_LINK: Final = re.compile(r"https?:|www\.|<\s*(img|a|script|link)\b")

_ASCII_FORM: Final = re.compile(r"xn--([a-z0-9-]+)", re.IGNORECASE)
"""A part of a domain in another script, as it is written in ASCII (RFC 3490)."""


def _in_its_script(part: re.Match[str]) -> str:
    try:
        return part[1].encode().decode("punycode")
    except UnicodeError:
        return part[0]


def telling_word(name: str) -> str | None:
    """The first word in a name or address that tells what clients come for, as it is shown; None
    without one."""
    read = as_read(_ASCII_FORM.sub(_in_its_script, name))
    letters = _letters(read)
    found = (pattern.search(read) for word, pattern in _WORDS if word in letters)
    first = min(filter(None, found), key=re.Match.start, default=None)
    return None if first is None else first[0]


def why_not_discreet(name: str) -> str | None:
    """Why messages may not show this name; None when they may."""
    if (word := telling_word(name)) is not None:
        return f"may not contain {word!r}: it tells what clients come for"
    if _LINK.search(as_read(name)):
        return "may not contain a link or markup"
    if holds_encoded_word(name):
        return "may not contain an encoded word, which mail programs show as another text"
    if not {"【", "】"}.isdisjoint(name):
        return "may not contain 【 or 】, which set the signature of an SMS apart"
    if not all(map(is_shown, name)):
        return "may not contain a character that not every screen shows"
    return None
