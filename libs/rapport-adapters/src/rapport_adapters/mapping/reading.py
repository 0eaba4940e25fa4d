"""A payload as events, by its mapping; each problem is named by field, and none repeats a value."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypeVar

from rapport_adapters.adapter import event_of
from rapport_adapters.body import Value, parse
from rapport_adapters.errors import Unreadable
from rapport_adapters.mapping.document import ATTRIBUTES, MappingDocument, Said, fields_of
from rapport_adapters.mapping.values import (
    AmountAt,
    CancellerAt,
    CodeAt,
    CurrencyAt,
    EventId,
    FlagAt,
    Place,
    TimeAt,
    UnitsAt,
)
from rapport_adapters.settings import SourceSettings
from rapport_contracts.catalogue import kind_of
from rapport_contracts.ranges import currencies
from rapport_contracts.source import SourceEvent

MAX_EVENTS: Final = 1000
"""So many parts a payload may have."""

MAX_PROBLEMS: Final = 100
"""So many problems are told of a payload; the first ones."""

WAY_OUT: Final = "Change the mapping, or what the system sends."
_UNKNOWN_WORD: Final = "Add the word to the table, with null where it tells nothing."
_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_BEYOND: Final = 10**14
_MOST_DECIMALS: Final = 40
"""Amounts are far below and far shorter: what is not is refused before it is counted with."""

_Became = TypeVar("_Became")


class Problem(NamedTuple):
    """Why a payload does not become events.

    `field` is a JSON pointer into the payload, `mapping` one into the mapping; "" is the whole.
    """

    field: str
    mapping: str
    reason: str
    way_out: str


class Mapped(NamedTuple):
    """What a payload becomes, in its order; `passed_over` parts tell nothing. With a problem the
    payload is refused whole, and the events are those of its other parts."""

    events: tuple[SourceEvent, ...]
    passed_over: int
    problems: tuple[Problem, ...]


class _Refused(Exception):
    """What is wrong with one part of a payload."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("refused")
        self.problems = problems


class _Payload(NamedTuple):
    """What all parts share; `said` is what the mapping says of each kind."""

    mapping: MappingDocument
    said: Mapping[str, Mapping[str, Said]]
    settings: SourceSettings
    body: Value
    digest: str


class _Part(NamedTuple):
    """One part of a payload, and its number from 1."""

    payload: _Payload
    value: Value
    number: int

    def at(self, place: Place) -> Value:
        """The value to which a place leads."""
        start = self.payload.body if place.within == "body" else self.value
        return start.at(place.path or "")


def mapped(body: bytes, mapping: MappingDocument, settings: SourceSettings) -> Mapped:
    """The events of a payload, and what stands in the way of others."""
    try:
        digest = hashlib.sha256(body).hexdigest()
        said = {kind: mapping.said(kind) for kind in mapping.kind.kinds()}
        payload = _Payload(mapping, said, settings, parse(body, WAY_OUT), digest)
        parts = list(_parts(payload))
    except Unreadable as error:
        return Mapped((), 0, (_problem(error, "/each" if error.field else ""),))
    events: list[SourceEvent] = []
    problems: list[Problem] = []
    passed_over, ids = 0, set()
    for part in parts:
        try:
            event = _event(part)
        except _Refused as refused:
            problems += refused.problems
            continue
        if event is None:
            passed_over += 1
        elif event.id in ids:
            problems.append(_same_id(part, event))
        else:
            ids.add(event.id)
            events.append(event)
    return Mapped(tuple(events), passed_over, tuple(problems[:MAX_PROBLEMS]))


def _parts(payload: _Payload) -> Iterator[_Part]:
    if payload.mapping.each is None:
        yield _Part(payload, payload.body, 1)
        return
    found = payload.body.at(payload.mapping.each)
    values = found.each()
    if len(values) > MAX_EVENTS:
        raise found.unreadable(f"has more than {MAX_EVENTS} parts", "Let the system send fewer.")
    for number, value in enumerate(values, start=1):
        yield _Part(payload, value, number)


def _same_id(part: _Part, event: SourceEvent) -> Problem:
    said = part.payload.said[kind_of(event.type)]["id"]
    place = part.at(said.how)
    return Problem(place.pointer, said.pointer, "is the id of another part, too", WAY_OUT)


def _event(part: _Part) -> SourceEvent | None:
    """The event of one part; None for one that tells nothing. Raises _Refused."""
    try:
        kind = _kind(part)
    except Unreadable as error:
        raise _Refused([_problem(error, "/kind")]) from None
    if kind is None:
        return None
    said = part.payload.said[kind]
    found = _values(part, kind, said)
    attributes = {name: found.pop(name, None) for name in ATTRIBUTES}
    try:
        return event_of(kind, part.payload.settings, attributes, found)
    except Unreadable as error:  # what only several values together make wrong
        where = said.get(error.field.rpartition("/")[2])
        pointer = "" if where is None else part.at(where.how).pointer
        mapping = "" if where is None else where.pointer
        problem = Problem(pointer, mapping, error.reason, WAY_OUT)
    raise _Refused([problem])


def _kind(part: _Part) -> str | None:
    how = part.payload.mapping.kind
    if how.words is None:
        return how.constant
    found = part.at(how)
    if how.others:
        return how.words.get(found.word())
    return _by_table(found, how.words)


def _values(part: _Part, kind: str, said: Mapping[str, Said]) -> dict[str, Any]:
    """The values of an event by name, all of them; raises _Refused with all that is wrong."""
    found: dict[str, Any] = {}
    problems = []
    for name, field in fields_of(kind).items():
        if name not in said or name == "amount_minor":
            continue
        try:
            found[name] = _value(part, name, said[name].how, is_needed=field.is_required())
        except Unreadable as error:
            problems.append(_problem(error, said[name].pointer))
    if "amount_minor" in said and "currency" in found:
        how, pointer = said["amount_minor"]
        try:
            found["amount_minor"] = _amount(part.at(how), how, found["currency"])
        except Unreadable as error:
            problems.append(_problem(error, pointer))
    if problems:
        raise _Refused(problems)
    return found


def _value(part: _Part, name: str, how: Place, *, is_needed: bool) -> Any:
    """One value; None where it is not there and need not be. Raises Unreadable."""
    if isinstance(how, EventId) and how.hash is not None:
        return f"{part.payload.digest}/{part.number}"
    constant = getattr(how, "constant", None)
    if constant is not None:
        return constant
    found = part.at(how)
    if not found.is_there and not is_needed:
        return None
    if isinstance(how, TimeAt):
        return _instant(part.payload.mapping, found, name, how)
    return _read(found, how)


def _read(found: Value, how: Place) -> str | int | bool | None:
    match how:
        case CodeAt() | CancellerAt():
            return _code(found, how)
        case CurrencyAt():
            return _currency(found, how)
        case FlagAt():
            return found.flag()
        case UnitsAt():
            return found.number()
    return found.key()


def _code(found: Value, how: CodeAt | CancellerAt) -> str | None:
    return found.key() if how.words is None else _by_table(found, how.words)


def _by_table(found: Value, words: Mapping[str, _Became]) -> _Became:
    """What a word of the source becomes. Raises Unreadable for one that the table lacks."""
    word = found.word()
    if word not in words:
        raise found.unreadable("is a word that the table lacks", _UNKNOWN_WORD)
    return words[word]


def _instant(mapping: MappingDocument, found: Value, name: str, how: TimeAt) -> datetime:
    is_ahead = name == "starts_at"
    if how.format == "rfc3339":
        return found.begins(mapping.zone) if is_ahead else found.happened(mapping.zone)
    unit = how.format.removeprefix("unix_")
    instant = found.since_1970("seconds" if unit == "seconds" else "milliseconds")
    return found.as_moment(instant) if is_ahead else found.as_happened(instant)


def _currency(found: Value, how: CurrencyAt) -> str:
    code = found.currency()
    if how.letters == "capital" and found.text() != code:
        raise found.unreadable("is not in capitals", "Say in the mapping that letters are any.")
    return code


def _amount(found: Value, how: Place, currency: str) -> int:
    """An amount in minor units of the currency. Raises Unreadable."""
    unit = how.unit if isinstance(how, AmountAt) else "minor"
    if unit == "minor":
        return found.amount()
    written = _of_text(found) if unit == "text" else found.decimal()
    decimals = currencies()[currency]
    minor = _minor(written, decimals)
    if minor is None:
        raise found.unreadable(
            f"is no amount from 0 on with at most the {decimals} decimals of its currency",
            "Look whether the system counts in minor units, and name the unit in the mapping.",
        )
    return found.as_amount(minor)


def _of_text(found: Value) -> Decimal:
    text = found.text()
    if not _NUMBER.fullmatch(text):
        raise found.unreadable("is no number as text, such as 480.00")
    return Decimal(text)


def _minor(number: Decimal, decimals: int) -> int | None:
    """A number of the main unit in minor units; None for what is none."""
    exponent = number.as_tuple().exponent
    if not 0 <= number < _BEYOND or not isinstance(exponent, int) or exponent < -_MOST_DECIMALS:
        return None
    minor = Fraction(number) * 10**decimals
    return minor.numerator if minor.denominator == 1 else None


def _problem(error: Unreadable, mapping: str) -> Problem:
    return Problem(error.field, mapping, error.reason, error.way_out)
