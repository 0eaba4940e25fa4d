"""A place in a document: reads one value there, or refuses it by its path (S20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from scoring_service.domain.periods import Period

LANGUAGES: Final = ("en", "zh")
_LONGEST_LIST: Final = 100  # a person can still read that


class InvalidDocument(ValueError):
    """A scheme's document that cannot be used: `field` is the path, `reason` what is wrong there
    and what to do."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a decoded JSON document, and its path, such as `ladders.F.rungs[2].at_least`.

    Every method raises InvalidDocument with that path.
    """

    value: object
    path: str = ""

    def refused(self, reason: str) -> InvalidDocument:
        """The error for this place."""
        return InvalidDocument(self.path or "document", reason)

    def entries(self) -> dict[str, "Place"]:
        """The fields of an object with free names."""
        if not isinstance(self.value, Mapping):
            raise self.refused("must be an object")
        prefix = f"{self.path}." if self.path else ""
        return {str(name): Place(value, f"{prefix}{name}") for name, value in self.value.items()}

    def fields(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> "Fields":
        """The fields of an object. An unknown one is refused, because a misspelt field would be a
        rule that silently never holds."""
        found = self.entries()
        for name in required:
            if name not in found:
                raise self._field(name).refused("is missing")
        for name, place in found.items():
            if name not in required and name not in optional:
                known = ", ".join((*required, *optional))
                raise place.refused(f"is unknown; known here: {known}")
        return Fields(self, found)

    def items(self) -> list["Place"]:
        """The items of a list of 1 to 100."""
        if not isinstance(self.value, list) or not self.value:
            raise self.refused("must be a list that is not empty")
        if len(self.value) > _LONGEST_LIST:
            raise self.refused(f"must hold {_LONGEST_LIST} at most")
        return [Place(value, f"{self.path}[{n}]") for n, value in enumerate(self.value)]

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.refused("must be a text that is not empty")
        return self.value

    def word(self, known: Mapping[str, object] | tuple[str, ...]) -> str:
        """One of the known words."""
        word = self.text()
        if word not in known:
            raise self.refused(f"{word!r} is unknown; known: {', '.join(known)}")
        return word

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.refused("must be true or false")
        return self.value

    def integer(self, least: int, most: int) -> int:
        """An integer in that range, both ends included."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.refused(f"must be an integer from {least} to {most}")
        return value

    def hundredths(self) -> int:
        """A score of 0 to 100 in hundredths: an integer, or a text such as "62.50" (C-02)."""
        reason = 'must be 0 to 100: an integer, or a text of two decimals such as "62.50"'
        value = self.value
        if not isinstance(value, int | str) or isinstance(value, bool):
            raise self.refused(reason)
        try:
            scaled = Decimal(value).scaleb(2)
        except ArithmeticError as error:  # no number, or one beyond what a decimal can be
            raise self.refused(reason) from error
        if not scaled.is_finite() or not 0 <= scaled <= 10_000 or scaled != int(scaled):
            raise self.refused(reason)
        return int(scaled)

    def period(self) -> Period:
        """A period of whole days, such as P3M (C-03)."""
        try:
            return Period.parse(self.text())
        except InvalidDocument:
            raise
        except ValueError as error:
            raise self.refused(str(error)) from error

    def names(self) -> dict[str, str]:
        """A label for each language (C-21)."""
        found = self.fields(LANGUAGES)
        return {language: found[language].text() for language in LANGUAGES}

    def _field(self, name: str) -> "Place":
        return Place(None, f"{self.path}.{name}" if self.path else name)


class Fields:
    """The fields of an object that was checked; a field that may be absent is asked by `get`."""

    def __init__(self, place: Place, found: dict[str, Place]) -> None:
        self.place = place
        self._found = found

    def __getitem__(self, name: str) -> Place:
        return self._found[name]

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def get(self, name: str) -> Place | None:
        """The field, or None where the document leaves it out."""
        return self._found.get(name)
