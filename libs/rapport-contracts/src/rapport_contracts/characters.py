"""Which characters of a name every screen shows, and how an eye reads them."""

import re
import unicodedata
from typing import Final

_UNSHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WRITTEN_WITH: Final = frozenset("\u200c\u200d\u200e\u200f\u061c")
"""Invisible characters with which names are written: the joiners of Persian, of the scripts of
India and of emoji, and the marks of direction of Arabic and Hebrew."""

_LOST: Final = frozenset("\ufffc\ufffd")
"""What stands where a character was lost."""

_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing."""


_ENCODED_WORD: Final = re.compile(r"=\?[^?\s]*\?[^?\s]*\?")
"""How a header writes letters beyond ASCII (RFC 2047), as in `=?utf-8?q?...?=`."""


def _is_new(character: str) -> bool:
    """Whether this may be a character of a later Unicode than this Python knows, such as a letter
    of a Chinese name; a noncharacter never is."""
    number = ord(character)
    is_no_character = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF
    return unicodedata.category(character) == "Cn" and not is_no_character


def is_shown(character: str) -> bool:
    """Whether a character is one with which names are written, and means the same on every screen:
    none of a private area, no control or other invisible one, and none that was lost."""
    if character in _WRITTEN_WITH or _is_new(character):
        return True
    return unicodedata.category(character) not in _UNSHOWN and character not in _LOST


def is_visible(character: str) -> bool:
    """Whether a character by itself shows anything."""
    is_drawn = unicodedata.category(character)[0] in "LNPS" and character not in _BLANK
    return is_drawn or _is_new(character)


def holds_encoded_word(text: str) -> bool:
    """Whether a header with this text shows another one: mail programs decode encoded words."""
    return _ENCODED_WORD.search(text) is not None


def as_read(text: str) -> str:
    """The text as an eye reads it, in lower case: full-width letters are letters, and what is
    invisible, or a mark on a letter, is not there."""
    apart = unicodedata.normalize("NFKD", text)
    seen = (each for each in apart if unicodedata.category(each) not in {"Cf", "Mn", "Me"})
    return "".join(each for each in seen if each not in _BLANK).lower()
