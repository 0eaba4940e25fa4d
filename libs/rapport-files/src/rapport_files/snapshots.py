"""Bookings as they are now, compared with what was said of them before: the differences are events.

A snapshot speaks of a range of days. A booking that it does not have is cancelled only if its hour
lies in that range and has yet to come; what is past never vanishes (ADR 46).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_files.counting import DiskCounter
from rapport_files.events import Happening, Origin
from rapport_files.problems import WHOLE_LINE, Problem, Refusals
from rapport_files.said import said

State = Literal["booked", "completed", "no_show", "cancelled"]
MOST_VANISHING: Final = 10
"""Percent of the planned bookings of a range that may vanish without a person's yes."""

_KINDS: Final[Mapping[State, str]] = {
    "booked": "booking.rescheduled",
    "completed": "booking.completed",
    "no_show": "booking.no_show",
    "cancelled": "booking.cancelled",
}
_AFTER: Final = timedelta(milliseconds=1)
_DIGITS: Final = 32


@dataclass(frozen=True, kw_only=True)
class Booking:
    """A booking as it is; `client` is empty where it is not told. Instants are aware; `booked_at`
    and `changed_at` are the source's own, where it has them, `codes` those of the contract.
    `said_at` is the time of the last event that was told of it, `line` its line in the file.
    """

    booking_id: str
    client: str
    state: State
    starts_at: datetime
    booked_at: datetime | None = None
    changed_at: datetime | None = None
    codes: tuple[tuple[str, str], ...] = ()
    said_at: datetime | None = None
    line: int = field(default=0, compare=False)

    def is_as(self, other: "Booking") -> bool:
        """Whether both say the same of the booking."""
        return (self.state, self.starts_at, self.codes) == (
            other.state,
            other.starts_at,
            other.codes,
        )


class Known(Protocol):
    """What was said of bookings before."""

    def get(self, booking_id: str) -> Booking | None:
        """A booking by its id."""

    def planned(self, first: datetime, end: datetime) -> Iterator[Booking]:
        """All bookings that are `booked` for an hour from `first` on and before `end`."""


class Bookings:
    """What one file says of bookings, held in memory."""

    def __init__(self, bookings: Iterable[Booking] = ()) -> None:
        self._bookings = {booking.booking_id: booking for booking in bookings}

    def get(self, booking_id: str) -> Booking | None:
        """A booking by its id."""
        return self._bookings.get(booking_id)

    def planned(self, first: datetime, end: datetime) -> Iterator[Booking]:
        """All bookings that are `booked` for an hour from `first` on and before `end`."""
        for each in self._bookings.values():
            if each.state == "booked" and first <= each.starts_at < end:
                yield each


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """When bookings were as they are told (aware), and the practice-local days of which all are
    told, both included. With `is_whole` false, as of a file with refused lines, nothing follows
    from a booking that is not told."""

    taken_at: datetime
    first_on: date
    last_on: date
    is_whole: bool = True


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What a comparison comes to: events by kind, how many planned bookings of the range vanish,
    and of how many; `refusals` are bookings that cannot be compared."""

    kinds: Mapping[str, int]
    vanishing: int
    planned: int
    refusals: Refusals

    @property
    def needs_yes(self) -> bool:
        """Whether so many vanish that a person must say yes first."""
        return self.vanishing * 100 > self.planned * MOST_VANISHING


class NotConfirmed(Exception):
    """More bookings vanish than may without a person's yes; nothing was told."""


class Comparison:
    """Bookings as they are now beside what was said before. `now` gives them anew at each call."""

    def __init__(
        self, known: Known, now: Callable[[], Iterable[Booking]], snapshot: Snapshot, origin: Origin
    ) -> None:
        self._known = known
        self._now = now
        self._snapshot = snapshot
        self._origin = origin

    def look(self, each_refused: Callable[[Problem], None] = lambda _: None) -> Differences:
        """What the differences are, before any of them is told; `each_refused` gets each booking
        that cannot be compared."""
        refusals, kinds, vanishing = Refusals(each_refused), Counter[str](), 0
        for each in self._all(refusals):
            kinds[each.kind] += 1
            vanishing += each.event_id.startswith(_GONE)
        planned = sum(1 for _ in self._planned())
        return Differences(kinds=kinds, vanishing=vanishing, planned=planned, refusals=refusals)

    def events(self, *, confirmed: bool = False) -> Iterator[SourceEvent]:
        """The differences as source events: the same comparison tells the same events.

        Raises NotConfirmed, before the first of them, when more vanish than may unless `confirmed`.
        """
        for _, event in self.numbered_events(confirmed=confirmed):
            yield event

    def numbered_events(self, *, confirmed: bool = False) -> Iterator[tuple[int, SourceEvent]]:
        """The same, each with the number of its booking's line; 0 for a booking that the file does
        not have. Raises as `events` does."""
        if not confirmed and self.look().needs_yes:
            raise NotConfirmed
        for each in self._all(Refusals()):
            yield each.line, each.event(self._origin)

    def _all(self, refusals: Refusals) -> Iterator[Happening]:
        with closing(DiskCounter()) as told:
            for booking in self._now():
                told.count(booking.booking_id)
                yield from self._of(booking, refusals)
            if self._snapshot.is_whole:
                gone = (each for each in self._planned() if not told.count(each.booking_id))
                yield from map(self._gone, gone)

    def _of(self, booking: Booking, refusals: Refusals) -> Iterator[Happening]:
        before = self._known.get(booking.booking_id)
        if before is not None and before.client != booking.client:
            reason = said("names another client than before")
            way_out = said("a booking stays with its client: give the other one a new id")
            refusals.add(Problem(booking.line, WHOLE_LINE, reason, way_out))
        else:
            yield from self._valid(self._changes(before, booking), booking, refusals)

    def _valid(
        self, changes: Iterable[Happening], booking: Booking, refusals: Refusals
    ) -> Iterator[Happening]:
        for each in changes:
            try:
                each.event(self._origin)
            except InvalidEvent as invalid:
                problem = Problem(
                    booking.line, WHOLE_LINE, said(invalid.detail), said("correct it")
                )
                refusals.add(problem)
            else:
                yield each

    def _planned(self) -> Iterator[Booking]:
        """What was booked for an hour of the range that has yet to come."""
        zone = ZoneInfo(self._origin.zone)
        first = _midnight(self._snapshot.first_on, zone)
        end = _midnight(self._snapshot.last_on + timedelta(days=1), zone)
        return self._known.planned(max(first, self._snapshot.taken_at), end)

    def _changes(self, before: Booking | None, now: Booking) -> Iterator[Happening]:
        if before is None:
            if now.booked_at is not None or now.state == "booked":
                yield self._created(now)
            if now.state != "booked":
                yield self._told(None, now)
        elif not before.is_as(now):
            yield self._told(before, now)

    def _created(self, now: Booking) -> Happening:
        at = self._not_ahead(now.booked_at or now.starts_at)
        return self._happening("booking.created", None, now, at)

    def _told(self, before: Booking | None, now: Booking) -> Happening:
        """The event after which a booking is as it is now, later than all that was told of it."""
        is_outcome = now.state in ("completed", "no_show")
        known_at = None if is_outcome else now.changed_at
        at = self._not_ahead(known_at or now.starts_at)
        if before is not None and before.said_at is not None:
            at = max(at, before.said_at + _AFTER)
        return self._happening(_KINDS[now.state], before, now, at)

    def _gone(self, before: Booking) -> Happening:
        at = self._snapshot.taken_at
        if before.said_at is not None:
            at = max(at, before.said_at + _AFTER)
        return self._happening("booking.cancelled", before, None, at)

    def _not_ahead(self, at: datetime) -> datetime:
        return min(at, self._snapshot.taken_at)

    def _happening(
        self, kind: str, before: Booking | None, now: Booking | None, at: datetime
    ) -> Happening:
        booking = now or before
        if booking is None:
            raise ValueError
        data: dict[str, Any] = {"booking_id": booking.booking_id}
        if kind in ("booking.created", "booking.rescheduled"):
            data["starts_at"] = booking.starts_at
        if now is not None:
            data |= now.codes
        words = [
            kind,
            booking.booking_id,
            _words(before),
            _words(now),
            _utc(self._snapshot.taken_at),
        ]
        digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:_DIGITS]
        return Happening(
            event_id=f"{_GONE if now is None else _STATE}{digest}",
            client=booking.client,
            kind=kind,
            at=at,
            data=data,
            line=0 if now is None else now.line,
        )


_STATE: Final = "state-"
_GONE: Final = "gone-"


def _words(booking: Booking | None) -> list[str] | None:
    if booking is None:
        return None
    return [booking.state, _utc(booking.starts_at), *map("=".join, booking.codes)]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=zone)
