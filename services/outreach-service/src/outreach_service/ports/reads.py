"""The port of what API keys have read of clients' personal data."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class PersonalData(StrEnum):
    """What of a client an answer shows: a text with the name in it, or the contact points and
    consents."""

    MESSAGE_TEXT = "message-text"
    PREFERENCES = "preferences"


class Caller(NamedTuple):
    """Who asks: an API key of a practice."""

    practice_id: str
    key_id: str


class ReadKey(NamedTuple):
    """The key, within its client's, of the row that counts the reads of a day (UTC)."""

    day: date
    key_id: str
    what: str


@dataclass(frozen=True)
class DayOfReads:
    """How often a key read one kind of a client's personal data on one day, the first and the last
    instant. `key_label` is None for a key without one, and for one that is not known any more."""

    key: ReadKey
    key_label: str | None
    count: int
    first_at: datetime
    last_at: datetime


class PersonalReads(Protocol):
    """What was read of clients, by key and day."""

    def record(self, caller: Caller, client_id: str, what: PersonalData) -> None:
        """Count an answer, now on the real clock. It belongs in the transaction that reads what is
        answered: without the one there is not the other."""
        ...

    def page(
        self, practice_id: str, client_id: str, after: ReadKey | None, limit: int
    ) -> list[DayOfReads]:
        """Up to `limit` of a client's rows whose keys come after this one, in order."""
        ...
