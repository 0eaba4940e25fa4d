"""A webhook's body, read value by value: what nobody reads may be anything."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from rapport_adapters.errors import Unreadable
from rapport_contracts.codec import MAX_VALUE_BYTES
from rapport_contracts.values import Amount, Currency, Happened, Moment, Name

T = TypeVar("T")

# With a length pydantic looks into the text, and refuses lone surrogates.
_TEXT: Final = TypeAdapter(
    Annotated[str, StringConstraints(strict=True, max_length=MAX_VALUE_BYTES)]
)
_NAME: Final = TypeAdapter[str](Name)
_AMOUNT: Final = TypeAdapter[int](Amount)
_NUMBER: Final = TypeAdapter(Annotated[int, Field(strict=True, ge=0, lt=2**53)])
_FLAG: Final = TypeAdapter(Annotated[bool, Field(strict=True)])
_CURRENCY: Final = TypeAdapter[str](Currency)
_HAPPENED: Final = TypeAdapter[datetime](Happened)
_MOMENT: Final = TypeAdapter[datetime](Moment)
_LATEST_SECONDS: Final = 2**33
"""Far beyond every instant that Rapport takes, and safely inside Python's calendar."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)
_DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII)


class Value:
    """A value of a body, and the pointer to it. To go down never fails; to read may.

    Whatever reads raises Unreadable, with the body's way out unless another is given; null is read
    as if it were not there.
    """

    __slots__ = ("_held", "pointer", "way_out")

    def __init__(self, held: object, pointer: str, way_out: str) -> None:
        self._held = held
        self.pointer = pointer
        self.way_out = way_out

    def __getitem__(self, name: str) -> "Value":
        held = self._held.get(name) if isinstance(self._held, dict) else None
        escaped = name.replace("~", "~0").replace("/", "~1")
        return Value(held, f"{self.pointer}/{escaped}", self.way_out)

    def at(self, path: str) -> "Value":
        """The value at a JSON pointer from here; the parts of a list are named by their numbers."""
        found = self
        for part in path.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            held = found._held
            if isinstance(held, list):
                is_place = _PLACE.fullmatch(name) is not None and int(name) < len(held)
                place = held[int(name)] if is_place else None
                found = Value(place, f"{found.pointer}/{part}", self.way_out)
            else:
                found = found[name]
        return found

    @property
    def is_there(self) -> bool:
        """Whether there is anything but null."""
        return self._held is not None

    def each(self) -> list["Value"]:
        """The values of a list."""
        if not isinstance(self._held, list):
            raise self.unreadable("is no list" if self.is_there else "is missing")
        return [
            Value(held, f"{self.pointer}/{index}", self.way_out)
            for index, held in enumerate(self._held)
        ]

    def text(self) -> str:
        """Any text."""
        return self._checked(_TEXT)

    def name(self) -> str:
        """An id or a name, as the contracts take it."""
        return self._checked(_NAME)

    def word(self) -> str:
        """Any text; a whole number by its digits, and true or false by that word."""
        if isinstance(self._held, bool):
            return "true" if self._held else "false"
        return str(self._held) if isinstance(self._held, int) else self.text()

    def key(self) -> str:
        """An id or a name, which may be written as a whole number."""
        is_number = isinstance(self._held, int) and not isinstance(self._held, bool)
        return self._checked(_NAME, str(self._held) if is_number else self._held)

    def decimal(self) -> Decimal:
        """A number, exactly as it is written."""
        if isinstance(self._held, Decimal):
            return self._held
        if not self.is_there or isinstance(self._held, bool) or not isinstance(self._held, int):
            raise self.unreadable("is no number" if self.is_there else "is missing")
        return Decimal(self._held)

    def number(self) -> int:
        """A whole number from 0 on that JSON holds exactly."""
        return self._checked(_NUMBER)

    def flag(self) -> bool:
        """True or false."""
        return self._checked(_FLAG)

    def amount(self) -> int:
        """An amount in whichever unit, as large as the contracts take it."""
        return self._checked(_AMOUNT)

    def as_amount(self, minor: int) -> int:
        """An amount that was made of what is here, as large as the contracts take it."""
        return self._checked(_AMOUNT, minor)

    def currency(self) -> str:
        """A code of ISO 4217, in capitals whatever it was in."""
        return self._checked(_CURRENCY, self.text().upper())

    def happened(self, zone: str | None = None) -> datetime:
        """When something happened; `zone` is that of times without an offset."""
        return self.as_happened(self._instant(zone))

    def begins(self, zone: str | None = None) -> datetime:
        """When an hour begins; `zone` is that of times without an offset."""
        return self.as_moment(self._instant(zone))

    def happened_in_seconds(self) -> datetime:
        """When something happened, in whole seconds since 1970."""
        return self.as_happened(self.since_1970("seconds"))

    def since_1970(self, unit: Literal["seconds", "milliseconds"]) -> datetime:
        """An instant as a whole number of this unit since 1970."""
        number, per_second = self.number(), {"seconds": 1, "milliseconds": 1000}[unit]
        if number >= _LATEST_SECONDS * per_second:
            raise self.unreadable(f"is no time in {unit} since 1970")
        return _EPOCH + timedelta(**{unit: number})

    def as_happened(self, instant: datetime) -> datetime:
        """An instant that was made of what is here, as when something happened."""
        return self._checked(_HAPPENED, instant)

    def as_moment(self, instant: datetime) -> datetime:
        """An instant that was made of what is here, as when an hour begins."""
        return self._checked(_MOMENT, instant)

    def unreadable(self, reason: str, way_out: str | None = None) -> Unreadable:
        """The error to raise for this value."""
        return Unreadable(self.pointer, reason, way_out or self.way_out)

    def _instant(self, zone: str | None) -> datetime:
        text = self.text()
        try:
            instant = datetime.fromisoformat(text) if _DATE_AND_TIME.fullmatch(text) else None
        except ValueError:
            instant = None
        if instant is None:
            raise self.unreadable("is no date and time of RFC 3339")
        if instant.tzinfo is not None:
            return instant
        if zone is None:
            raise self.unreadable("has no offset", "Name the zone of its times in the source.")
        return instant.replace(tzinfo=ZoneInfo(zone))

    def _checked(self, kind: TypeAdapter[T], held: object = None) -> T:
        """What is held, or was made of it, as a value of this kind."""
        if not self.is_there:
            raise self.unreadable("is missing")
        try:
            return kind.validate_python(self._held if held is None else held)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
        raise self.unreadable(first["msg"].removeprefix("Value error, "))


def parse(raw: bytes, way_out: str, pointer: str = "") -> Value:
    """The JSON in `raw`, to which `pointer` leads; what is too large, too deep or ambiguous is none
    (S6). Raises Unreadable.

    Lone surrogates pass, for a title that was cut through an emoji must not hide a booking; a text
    that is read may hold none.
    """
    if len(raw) > MAX_VALUE_BYTES:
        raise Unreadable(pointer, f"is larger than {MAX_VALUE_BYTES} bytes", way_out)

    try:
        return Value(_document(raw), pointer, way_out)
    except _NoJson as error:
        reason = str(error)
    raise Unreadable(pointer, reason, way_out)


class _NoJson(ValueError):
    """What a body is or has that JSON, as we take it, is not or has not."""


def _document(raw: bytes) -> object:
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=_unique,
            parse_float=Decimal,
            parse_constant=_no_constant,
        )
    except _NoJson:
        raise
    except (UnicodeDecodeError, json.JSONDecodeError):
        reason = "is not JSON in UTF-8"
    except RecursionError:
        reason = "is nested too deep"
    except ValueError:  # of an integer alone
        reason = "has a number of too many digits"
    raise _NoJson(reason)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NoJson("has an object with the same key twice")
    return found


def _no_constant(name: str) -> object:
    raise _NoJson(f"has {name}, which JSON does not have")
