"""What is kept of when sources spoke, and of those that are silent (ADR 53)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.facts import PracticeId


class SourceKey(NamedTuple):
    """A source of a practice."""

    practice_id: PracticeId
    source: str


class SpokenDay(NamedTuple):
    """What was accepted of a source on a practice-local day, history apart: how many events, and
    when the newest of them happened."""

    key: SourceKey
    day: date
    events: int
    newest_at: datetime


class Silence(NamedTuple):
    """A source is silent since `since`; its practice is held by `hold_id`, None where an operator
    has ended the hold."""

    since: datetime
    hold_id: str | None


class Watched(NamedTuple):
    """A source that is looked at again at `look_at`, locked by the transaction. `is_read` is false
    while records of its practice wait in a queue."""

    key: SourceKey
    zone: str
    look_at: datetime
    silence: Silence | None = None
    is_read: bool = True


class Freshness(Protocol):
    """When sources spoke, and which are silent, within one transaction."""

    def count(self, days: Sequence[SpokenDay]) -> None:
        """Add what was accepted; a source that is new is looked at from now on."""

    def due(self, until: datetime, limit: int) -> list[Watched]:
        """Up to `limit` sources that are to be looked at by `until`, locked, the earliest first;
        those that another transaction has locked are passed over."""

    def days(self, keys: Collection[SourceKey], since: date) -> Mapping[SourceKey, list[SpokenDay]]:
        """The days on which these sources have spoken, from `since` on, in order."""

    def save(self, watched: Sequence[Watched]) -> None:
        """Write when locked sources are looked at again, and their silence. Its hold counts as
        announced."""

    def unannounced(self) -> list[Watched]:
        """The silent sources, locked, whose hold was not announced since the database was
        restored."""

    def end_hold(self, hold_id: str) -> Watched | None:
        """Note that an operator has ended a hold; the source as it was before, None where no such
        hold is open."""
