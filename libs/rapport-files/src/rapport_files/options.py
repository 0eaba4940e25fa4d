"""What a reader must be told about a file, and the questions that it asks where it is not told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from rapport_contracts.ranges import currencies
from rapport_files.problems import lines_named
from rapport_files.said import Said, Speaker, english, said
from rapport_files.words import COLUMNS, EVENTS, plain_word

DEFAULT_CURRENCY: Final = "CNY"
COLUMN: Final = "column."
"""Begins the name of a question for the column of a field, such as `column.amount`."""
WORD: Final = "word."
"""Begins the name of an answer for a word of one's own for an event, such as `word.arrived`."""

CHOICES: Final[Mapping[str, Mapping[str, Said]]] = MappingProxyType(
    {
        "told_as": {
            "events": said("each row is something that happened"),
            "snapshot": said("each row is a booking as it is now"),
        },
        "day_order": {
            "day": said("the day comes first"),
            "month": said("the month comes first"),
        },
        "refunds": {
            "row": said("the row is money that went back; other rows say what was paid"),
            "state": said("the row is a payment that was made, and went back as a whole"),
        },
        "two_numbers": {
            "first": said("the first number counts"),
            "last": said("the last number counts"),
            "sum": said("their sum counts"),
        },
        "moved": {
            "here": said("the booking is at this row's hour now"),
            "away": said("the booking has left this row's hour; another row has it"),
        },
    }
)
"""Question -> its choices. Those of `sheet` and of columns depend on the file."""

_ASKS: Final[Mapping[str, Said]] = MappingProxyType(
    {
        "told_as": said("the file may tell what happened, or how bookings are now"),
        "day_order": said("may have the day or the month first"),
        "refunds": said("a refund may be a row of its own, or the state of a payment"),
        "two_numbers": said("has two numbers"),
        "moved": said("a booking that was moved may be at this hour, or have left it"),
        "sheet": said("more than one sheet is a table"),
    }
)


class BadAnswer(ValueError):
    """An answer to a question that there is not, or one that is none of its choices."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a file does not say: the currency of amounts without one (ISO 4217), and answers by the
    question's key. Raises BadAnswer, ValueError."""

    currency: str = DEFAULT_CURRENCY
    answers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all of it; the choices of sheets and columns are checked beside the file."""
        if self.currency not in currencies():
            raise ValueError(f"currency: {self.currency} is no code of ISO 4217, such as CNY")
        for key, answer in self.answers.items():
            if key == "sheet" or (key.startswith(COLUMN) and key.removeprefix(COLUMN) in COLUMNS):
                continue
            choices: Collection[str] | None = EVENTS if key.startswith(WORD) else CHOICES.get(key)
            if choices is None:
                known = ", ".join((*CHOICES, "sheet", f"{COLUMN}amount", f"{WORD}arrived"))
                raise BadAnswer(f"{key} is no question: answer one of {known}")
            if answer not in choices:
                raise BadAnswer(f"{key}: {answer} is none of {', '.join(choices)}")

    def words(self) -> Mapping[str, str]:
        """The words of one's own for events, as `plain_word` gives them -> the event."""
        told = self.answers.items()
        return {plain_word(key[len(WORD) :]): event for key, event in told if key.startswith(WORD)}


class Asked(Exception):
    """A cell, row or file may be read in two ways, and no answer says which."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a file leaves open. `choices` are the answers, each with what it means; `lines` are the
    first of `count` lines that wait for it."""

    key: str
    asks: Said
    choices: Mapping[str, Said]
    lines: Sequence[int] = ()
    count: int = 0

    def by(self, speaker: Speaker = english) -> str:
        """One line of text: where, what, and the answers to choose from."""
        ways = "; ".join(
            f"{self.key}={each}: {what.by(speaker)}" for each, what in self.choices.items()
        )
        asked = said("{asks}; say which by an answer ({ways})", asks=self.asks, ways=ways).by(
            speaker
        )
        if not self.lines:
            return asked
        return f"{lines_named(list(self.lines), self.count, speaker)}: {asked}"


def question(key: str, choices: Mapping[str, Said] | None = None) -> Question:
    """The question of a key. Those of sheets and columns need their choices."""
    asks = _ASKS.get(key)
    if asks is None:
        asks = said("{column}: another column may be meant", column=key.removeprefix(COLUMN))
    return Question(key=key, asks=asks, choices=choices or CHOICES[key])
