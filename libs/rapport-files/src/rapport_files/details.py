"""What few events say beside what each says: a row may have it, or must."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from rapport_files.lines import ASSUMED, Line
from rapport_files.problems import Refused
from rapport_files.said import said
from rapport_files.words import (
    CANCELLED_BY,
    CLARITIES,
    ENGAGEMENTS,
    OUTCOMES,
    URGENCIES,
    half_width,
    meanings,
    plain_word,
)

Read = Callable[[Line, str], Any]
_BY: Final = meanings(CANCELLED_BY)
_MOST_DIGITS: Final = 9
NEED: Final = "signal.need_noted"
UNNAMED: Final = frozenset(
    {"signal.consulted", "signal.visited", "signal.enquired", "signal.engaged", NEED}
)
"""Signals that may have no id of their own."""


def details(line: Line, kind: str) -> dict[str, Any]:
    """What the row says of this kind of event beside ids, times, amounts and the codes of a
    booking; what stands against it is kept with the line."""
    said_of_it = {name: read(line, name) for name, read in _OF.get(kind, {}).items()}
    found = {name: value for name, value in said_of_it.items() if value is not None}
    return {**found, "assumed": True} if kind == ASSUMED else found


def _code(line: Line, name: str) -> str | None:
    return line.code(name)


def _needed(line: Line, name: str) -> str | None:
    return line.id(name, "payment")


def _day(line: Line, name: str) -> str | None:
    at = line.instant(name) if line.text(name) else None
    return None if at is None else at.date().isoformat()


def _word_of(words: Mapping[str, Sequence[str]]) -> Callable[[str], str]:
    """Reads one of these words. What it returns raises Refused."""
    known = meanings(words)

    def read(text: str) -> str:
        found = known.get(plain_word(text))
        if found is None:
            raise Refused(
                said("is none of its words"),
                said("write one of these words: {words}", words=", ".join(words)),
            )
        return found

    return read


def _word(words: Mapping[str, Sequence[str]]) -> Read:
    read = _word_of(words)
    return lambda line, name: line.optional(name, read)


def _needed_word(words: Mapping[str, Sequence[str]]) -> Read:
    read = _word_of(words)
    return lambda line, name: line.get(name, read)


def _instant(line: Line, name: str) -> Any:
    return line.instant(name) if line.text(name) else None


def _units(line: Line, name: str) -> int | None:
    return line.optional(name, _read_units)


def _who(line: Line, name: str) -> str | None:
    return line.optional(name, _read_who)


def _read_units(text: str) -> int:
    """A number of hours. Raises Refused."""
    plain = half_width(text).removesuffix(".0")
    if not (plain.isascii() and plain.isdigit() and len(plain) <= _MOST_DIGITS):
        raise Refused(said("is not a whole number"), said("write such as 10"))
    return int(plain)


def _read_who(text: str) -> str:
    """Who cancelled. Raises Refused."""
    who = _BY.get(plain_word(text))
    if who is None:
        raise Refused(
            said("does not say who cancelled"),
            said("write one of {words}", words=", ".join(CANCELLED_BY)),
        )
    return who


_OF_BOOKING: Final[Mapping[str, Read]] = MappingProxyType({"package_id": _code})
_OF_CONTACT: Final[Mapping[str, Read]] = MappingProxyType(
    dict.fromkeys(("counsellor_id", "service_code", "site", "channel"), _code)
)
_OF: Final[Mapping[str, Mapping[str, Read]]] = MappingProxyType(
    {
        "booking.requested": {**_OF_BOOKING, "starts_at": _instant},
        "booking.created": {**_OF_BOOKING, "replaces": _code},
        "booking.rescheduled": {**_OF_BOOKING, "replaces": _code},
        "booking.cancelled": {**_OF_BOOKING, "cancelled_by": _who, "cancelled_at": _instant},
        "booking.completed": _OF_BOOKING,
        "booking.no_show": _OF_BOOKING,
        ASSUMED: _OF_BOOKING,
        "payment.settled": {"product": _code, "package_id": _code, "units": _units, "payer": _code},
        "payment.refunded": {"refund_id": _code, "units": _units},
        "payment.refund_failed": {"refund_id": _needed},
        "payment.charged_back": {"chargeback_id": _code},
        "payment.chargeback_reversed": {"chargeback_id": _needed},
        "signal.consulted": _OF_CONTACT,
        "signal.visited": _OF_CONTACT,
        "signal.enquired": _OF_CONTACT,
        "signal.referral_made": {"channel": _code},
        "signal.referral_converted": {"channel": _code},
        "signal.engaged": {"engagement": _needed_word(ENGAGEMENTS), "code": _code},
        NEED: {"clarity": _word(CLARITIES), "urgency": _word(URGENCIES), "code": _code},
        "signal.case_opened": {"counsellor_id": _code, "service_code": _code},
        "signal.case_closed": {"outcome": _needed_word(OUTCOMES)},
        "signal.override_begun": {"tier": _needed, "reason": _needed, "until": _day},
    }
)
"""Kind of event -> what it may say, or must, and how that is read."""
