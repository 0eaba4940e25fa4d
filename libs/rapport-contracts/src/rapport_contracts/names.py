"""Whom a value names as where it comes from, also where it is no event."""

import re
from typing import Final, NamedTuple

import msgspec

PRACTICE_ID: Final = "[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?"
"""The pattern of a practice's id, to be anchored."""

_PRACTICE = re.compile(PRACTICE_ID)
_SOURCE = re.compile(r"[^\x00]{1,200}")
_PRACTICE_IN_TEXT = re.compile(rf'"practiceid"\s*:\s*"({PRACTICE_ID})"'.encode())


class Names(NamedTuple):
    """The practice and the source that a value names; None where it does not."""

    practice_id: str | None = None
    source: str | None = None


class _Named(msgspec.Struct, frozen=True, gc=False):
    practiceid: object = None
    source: object = None


_NAMED = msgspec.json.Decoder(_Named)


def names_in(value: bytes | None) -> Names:
    """Whom a value names that cannot be decoded as an event. Raises nothing.

    Of a text that is no JSON object the practice counts, if it names only one.
    """
    if value is None:
        return Names()
    try:
        named = _NAMED.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = {match[1] for match in _PRACTICE_IN_TEXT.finditer(value)}
        return Names(found.pop().decode() if len(found) == 1 else None)
    return Names(_name(named.practiceid, _PRACTICE), _name(named.source, _SOURCE))


def _name(found: object, permitted: re.Pattern[str]) -> str | None:
    return found if isinstance(found, str) and permitted.fullmatch(found) else None
