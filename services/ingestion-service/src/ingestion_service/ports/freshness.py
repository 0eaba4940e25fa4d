"""What is kept of when sources spoke, and of those that are silent (ADR 53)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
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


class Decision(NamedTuple):
    """Who decided something, and why."""

    actor: str
    why: str


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

    def end_hold(self, hold_id: str, decision: Decision) -> Watched | None:
        """Note that an operator has ended a hold, also in the audit; the source as it was before,
        None where no such hold is open."""


class SourceFreshness(NamedTuple):
    """How fresh a source is: when its last event happened and was accepted; how many events are
    parked, since when, and how many of those were refused, counted up to a thousand; and since when
    it is silent, with the hold of its practice. `today` is the practice's."""

    source: str
    last_occurred_at: datetime | None
    last_accepted_at: datetime | None
    parked: int
    parked_since: datetime | None
    refused: int
    silent_since: datetime | None
    hold_id: str | None
    today: date


class ParkedEvent(NamedTuple):
    """An event that waits for its booking or payment, for how long, and why it was refused then."""

    source: str
    event_id: str
    kind: str
    external_id: str
    parked_at: datetime
    refused: str | None
    age: timedelta


class OpenHold(NamedTuple):
    """The hold of a practice for a silent source."""

    hold_id: str
    practice_id: str
    source: str
    since: datetime


class FreshnessReads(Protocol):
    """What the API shows. Each call is a transaction that sees what its caller may see."""

    def sources(self, practice_id: PracticeId) -> list[SourceFreshness]:
        """The sources of a practice that have spoken, or of which something is parked, by name."""

    def days(self, practice_id: PracticeId) -> list[SpokenDay]:
        """The days on which the sources of a practice have spoken, a year and a month at most."""

    def parked(
        self, practice_id: PracticeId, after: tuple[str, str], limit: int
    ) -> list[ParkedEvent]:
        """Up to `limit` parked events behind this source and event id, by both."""

    def open_holds(self, after: str, limit: int) -> Sequence[OpenHold]:
        """Up to `limit` open holds of all practices with an id above `after`, by id."""
