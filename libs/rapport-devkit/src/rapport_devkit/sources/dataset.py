"""A dataset: the events of a practice's clients, by day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from rapport_contracts.codec import encode_source
from rapport_contracts.source import SourceEvent, record_key
from rapport_contracts.topics import (
    PER_CLIENT_PARTITIONS,
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
    SOURCE_SIGNALS,
    partition_of,
)
from rapport_runtime.bus.port import Outgoing

_ONE_DAY = timedelta(days=1)
_TOPICS = {"booking": SOURCE_BOOKINGS, "payment": SOURCE_PAYMENTS, "signal": SOURCE_SIGNALS}
"""The second part of an event's type -> its topic; files tell nothing of care."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Events by practice-local day, in the order of their time. `currency` is ISO 4217, `notes`
    say how a file was read."""

    title: str
    currency: str
    days: Mapping[date, Sequence[SourceEvent]]
    notes: Sequence[str] = ()

    @property
    def first_on(self) -> date:
        """The first day on which something happened."""
        return min(self.days)

    @property
    def last_on(self) -> date:
        """The last day on which something happened."""
        return max(self.days)

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(map(len, self.days.values()))

    def calendar(self) -> Iterator[tuple[date, Sequence[SourceEvent]]]:
        """Every day from the first to the last, also those without events."""
        on = self.first_on
        while on <= self.last_on:
            yield on, self.days.get(on, ())
            on += _ONE_DAY

    def clients(self) -> list[str]:
        """The external ids of all clients, sorted."""
        named = {event.subject for events in self.days.values() for event in events}
        return sorted(subject for subject in named if subject is not None)

    def until(self, days: int | None) -> "Dataset":
        """The first `days` days only; all of them for None. Raises ValueError below 1."""
        if days is None:
            return self
        if days < 1:
            raise ValueError("at least one day")
        end = self.first_on + days * _ONE_DAY
        within = {on: events for on, events in self.days.items() if on < end}
        return replace(self, days=within)


def by_day(events: Iterable[SourceEvent], zone: str) -> dict[date, list[SourceEvent]]:
    """Events by the local day of `zone`, each day in the order of time (equal times: as given)."""
    place = ZoneInfo(zone)
    days: dict[date, list[SourceEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.time):
        days[event.time.astimezone(place).date()].append(event)
    return dict(days)


def record_of(event: SourceEvent) -> Outgoing:
    """The event's record; its key decides its partition."""
    topic = _TOPICS[event.type.split(".")[1]]
    key = record_key(event)
    partition = partition_of(key, PER_CLIENT_PARTITIONS)
    return Outgoing(topic.name, partition, key.encode(), encode_source(event))
