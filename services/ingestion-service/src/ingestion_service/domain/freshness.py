"""When a source is silent: how long it usually says nothing, and since when it says nothing now.

A source is known by the practice-local days on which something of it was accepted, history apart
(ADR 53). A gap is the number of days from one such day to the next: 1 for a source that speaks
every day.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

YEAR: Final = timedelta(days=365)
"""How far back a source's days are looked at."""

FEWEST_EVENTS: Final = 30
"""A source with fewer events in a year is never called silent."""

FEWEST_DAYS: Final = 3
"""A source that spoke on fewer days has no rhythm yet: one file of a month is no habit."""

SHORTEST_SILENCE: Final = 3
"""Days: no shorter silence is called one."""


class Rhythm(NamedTuple):
    """How a source has spoken within the last year: how many events on how many days, the last of
    these days, and the median and the longest of its gaps, in days."""

    events: int
    days: int
    last_day: date
    usual_gap: int
    longest_gap: int

    @property
    def silent_from(self) -> date | None:
        """The first day at whose beginning the source is silent if nothing more comes: by then the
        gap is longer than it may be. None for one that is never called silent."""
        if self.events < FEWEST_EVENTS or self.days < FEWEST_DAYS:
            return None
        return self.last_day + timedelta(days=max(SHORTEST_SILENCE, 2 * self.longest_gap) + 1)

    def is_fresh(self, newest: date, today: date) -> bool:
        """Whether a source whose newest event happened on the day `newest` speaks as usual again at
        the beginning of `today`."""
        return (today - newest).days <= self.usual_gap


def rhythm(events_by_day: Mapping[date, int], today: date) -> Rhythm | None:
    """How a source spoke in the year before `today`; None where it said nothing."""
    days = sorted(day for day in events_by_day if today - YEAR <= day <= today)
    if not days:
        return None
    gaps = sorted((later - earlier).days for earlier, later in pairwise(days)) or [1]
    events = sum(events_by_day[day] for day in days)
    return Rhythm(events, len(days), days[-1], gaps[len(gaps) // 2], gaps[-1])


def looked_at_next(known: Rhythm | None, today: date) -> date:
    """The first day at whose beginning a source may be silent that is not silent on `today`: not
    before it has said nothing for long enough. What it may say meanwhile only puts that off, but
    its longest gap may by then be more than a year ago, so that the exact day is not known."""
    tomorrow, least = today + timedelta(days=1), timedelta(days=SHORTEST_SILENCE + 1)
    if known is None or known.silent_from is None:
        return today + least
    return max(tomorrow, known.last_day + least)


def midnight(day: date, zone: str) -> datetime:
    """When a practice-local day begins: at its 00:00, or where the clocks jump over that."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def local_day(instant: datetime, zone: str) -> date:
    """The practice-local day of an instant."""
    return instant.astimezone(ZoneInfo(zone)).date()
