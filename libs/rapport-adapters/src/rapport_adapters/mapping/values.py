"""How a mapping says where one value of an event stands, and how it is written there."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from rapport_contracts.source import CancelledBy
from rapport_contracts.values import Code, Currency, Units

MAX_WORDS = 500
"""So many words of the source a table may hold."""

Path = Annotated[
    str,
    StringConstraints(
        strict=True, max_length=500, pattern=r"^(/([^/~\x00-\x1f]|~[01]){1,100}){1,16}$"
    ),
]
"""A JSON pointer (RFC 6901) of at most 16 names; the first part of a list is `0`."""

Word = Annotated[str, StringConstraints(strict=True, max_length=200)]


class Part(BaseModel):
    """The base of what a mapping consists of: a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Place(Part):
    """Where a value stands: `path` leads there from the part of the payload that the event is of,
    or, `within` the body, from the payload's beginning."""

    path: Path | None = Field(default=None, examples=["/visit/number"])
    within: Literal["part", "body"] = "part"


class _OneOf(Place):
    """A value that may be said in another way than by a place."""

    @model_validator(mode="after")
    def _is_said_once(self) -> Self:
        ways = [name for name in ("path", "constant", "hash") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in ways) != 1:
            msg = f"must have one of {', '.join(ways)}"
            raise ValueError(msg)
        return self


class KeyAt(_OneOf):
    """An id, as text or as a whole number."""


class EventId(_OneOf):
    """The id of the event: where it stands; or the hash of the raw body, where the system sends
    none, with the event's number within it."""

    hash: Literal["body"] | None = None


class CodeAt(_OneOf):
    """A code of the practice: the same for all, or where it stands. `words` are what the source's
    words become; null leaves the field out, and a word that the table lacks is refused."""

    constant: Code | None = None
    words: Annotated[dict[Word, Code | None], Field(max_length=MAX_WORDS)] | None = None


class CancellerAt(_OneOf):
    """Who cancelled; `words` as of a code."""

    constant: CancelledBy | None = None
    words: Annotated[dict[Word, CancelledBy | None], Field(max_length=MAX_WORDS)] | None = None


class TimeAt(_OneOf):
    """An instant: a date and time of RFC 3339, in which the offset may be missing where the mapping
    names the zone, or a whole number since 1970."""

    format: Literal["rfc3339", "unix_seconds", "unix_milliseconds"] = "rfc3339"


class AmountAt(_OneOf):
    """An amount: a whole number of the currency's minor unit, a number of its main unit, or the
    latter as text, such as "480.00"."""

    unit: Literal["minor", "main", "text"]


class CurrencyAt(_OneOf):
    """A currency of ISO 4217: the same for all, or where it stands; in capitals, or in any
    letters."""

    constant: Currency | None = None
    letters: Literal["capital", "any"] = "capital"


class FlagAt(_OneOf):
    """True or false: the same for all, or where it stands."""

    constant: Annotated[bool, Field(strict=True)] | None = None


class UnitsAt(_OneOf):
    """The hours of a package: as many in all, or where their number stands."""

    constant: Units | None = None
