"""What a reader must be told about a file, and the questions that it asks where it is not told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from rapport_contracts.ranges import currencies, zones
from rapport_files.problems import lines_named
from rapport_files.said import Said, Speaker, english, said
from rapport_files.vocabulary import HAPPENINGS, Vocabulary
from rapport_files.words import plain_word

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
        "time_of_day": {
            "begin": said("a day without a time is its beginning"),
            "noon": said("a day without a time is its noon"),
            "end": said("a day without a time is its last second"),
        },
        "time_zone": {"Asia/Shanghai": said("times without an offset are those of this zone")},
        "purpose": {
            "service": said("the column is a consent to messages about the client's own bookings"),
            "care": said("the column is a consent to messages of care"),
            "marketing": said("the column is a consent to marketing"),
        },
        "consent_channel": {
            "sms": said("the consent is to SMS"),
            "email": said("the consent is to e-mail"),
            "wechat": said("the consent is to WeChat"),
            "all": said("the consent is to each channel that the file has a column for"),
        },
        "no": {
            "withdrawn": said("the client has withdrawn, or refused"),
            "not_given": said("nobody has agreed so far; the cell says nothing"),
        },
        "since": {
            "form": said("the address is the client's since the consent of its line"),
            "unknown": said("nobody knows; do not give the file again when it is old"),
            "2026-11-30": said("the address is the client's since this day"),
        },
        "evidence": {"TEXT": said("where the proof of all lines is kept")},
        "text_version": {"TEXT": said("which text the clients were shown")},
    }
)
"""Question -> its choices. Those of `sheet` and of columns depend on the file; those of `FREE` are
examples."""

_ASKS: Final[Mapping[str, Said]] = MappingProxyType(
    {
        "told_as": said("the file may tell what happened, or how bookings are now"),
        "day_order": said("may have the day or the month first"),
        "refunds": said("a refund may be a row of its own, or the state of a payment"),
        "two_numbers": said("has two numbers"),
        "moved": said("a booking that was moved may be at this hour, or have left it"),
        "sheet": said("more than one sheet is a table"),
        "time_of_day": said("has a day without a time"),
        "time_zone": said("has a time without an offset"),
        "purpose": said("a consent may be to marketing, or to something else"),
        "consent_channel": said("a consent may be to one channel, or to several"),
        "no": said("a no may be a withdrawal, or say that nobody has agreed"),
        "since": said("has an address, and not since when it is the client's"),
        "evidence": said("has a consent, and not where its proof is kept"),
        "text_version": said("has a consent, and not which text the client was shown"),
    }
)

_EVIDENCE: Final = 500
_VERSION: Final = 64


def _text(longest: int) -> Callable[[str], str | None]:
    def fault(answer: str) -> str | None:
        is_right = answer.strip() and answer.isprintable() and len(answer) <= longest
        return None if is_right else f"a visible text of at most {longest} characters"

    return fault


def _zone(answer: str) -> str | None:
    is_zone = answer in zones()
    return None if is_zone else "a time zone of the IANA database, such as Asia/Shanghai"


def _since(answer: str) -> str | None:
    try:
        is_right = answer in ("form", "unknown") or bool(datetime.fromisoformat(answer))
    except ValueError:
        is_right = False
    return None if is_right else "form, unknown, or a day such as 2026-11-30"


FREE: Final[Mapping[str, Callable[[str], str | None]]] = MappingProxyType(
    {
        "time_zone": _zone,
        "since": _since,
        "evidence": _text(_EVIDENCE),
        "text_version": _text(_VERSION),
    }
)
"""Question that takes more than a choice -> what is wrong with an answer, or None."""


class BadAnswer(ValueError):
    """An answer to a question that there is not, or one that is none of its choices."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a file does not say: of which kind it is, the currency of amounts without one (ISO
    4217), whether amounts in another one are refused (else the first that is named holds for the
    file), and answers by the question's key. Raises BadAnswer, ValueError."""

    currency: str = DEFAULT_CURRENCY
    only_currency: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Vocabulary = HAPPENINGS

    def __post_init__(self) -> None:
        """Check all of it; the choices of sheets and columns are checked beside the file."""
        if self.currency not in currencies():
            raise ValueError(f"currency: {self.currency} is no code of ISO 4217, such as CNY")
        for key, answer in self.answers.items():
            self._check(key, answer)

    def _check(self, key: str, answer: str) -> None:
        """Raise BadAnswer for what is no answer."""
        columns = self.vocabulary.columns
        if key == "sheet" or (key.startswith(COLUMN) and key.removeprefix(COLUMN) in columns):
            return
        is_word = key.startswith(WORD) and self.vocabulary.words
        if not is_word and key not in self.vocabulary.questions:
            known = ", ".join((*self.vocabulary.questions, "sheet", *self._examples()))
            raise BadAnswer(f"{key} is no question: answer one of {known}")
        if key in FREE:
            if (fault := FREE[key](answer)) is not None:
                raise BadAnswer(f"{key}: {fault}")
            return
        choices = self.vocabulary.words if is_word else CHOICES[key]
        if answer not in choices:
            raise BadAnswer(f"{key}: {answer} is none of {', '.join(choices)}")

    def _examples(self) -> Sequence[str]:
        has_words = bool(self.vocabulary.words)
        return (f"{COLUMN}amount", f"{WORD}arrived") if has_words else (f"{COLUMN}phone",)

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
