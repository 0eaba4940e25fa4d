"""Rows of a file as source events, or as bookings as they are now."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_files.counting import DiskCounter
from rapport_files.details import details
from rapport_files.events import Happening, Origin
from rapport_files.lines import ASSUMED, CODES, PRICED, TIMED, Line, Rules
from rapport_files.problems import Problem
from rapport_files.readers.rows import Row
from rapport_files.said import said
from rapport_files.snapshots import Booking, State

_DIGITS = 32
_STATES: dict[str, State] = {
    "booking.created": "booked",
    "booking.completed": "completed",
    "booking.no_show": "no_show",
    "booking.cancelled": "cancelled",
}

_told = json.JSONEncoder(ensure_ascii=False).encode

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[T]):
    """What a row came to: what it says, or what stands against it."""

    line: int
    told: Sequence[T] = ()
    problems: Sequence[Problem] = ()
    asked: Sequence[str] = ()
    lacking: frozenset[str] = frozenset()


class EventRows:
    """Reads rows as events, in the order of the file.

    An event id that the file lacks is the hash of the row's own words and its ordinal among equal
    rows, so that a file with its rows in another order, or among others, tells the same events. A
    cell that this kind of event does not read, such as `updated_at`, is none of those words.
    """

    def __init__(self, rules: Rules, origin: Origin) -> None:
        self._rules = rules
        self._origin = origin
        self._counted = DiskCounter()

    def read(self, row: Row) -> Outcome[SourceEvent]:
        """The events of a row; none where anything stands against it."""
        line = Line(row, self._rules)
        told = self._happenings(line)
        events: list[SourceEvent] = []
        try:
            events = [happening.event(self._origin) for happening in told]
        except InvalidEvent as invalid:
            line.add_invalid(invalid)
        return _outcome(row, line, events)

    def close(self) -> None:
        """Forget which rows there were."""
        self._counted.close()

    def _happenings(self, line: Line) -> list[Happening]:
        client = line.id("client_id", "client")
        at = line.instant("happened_at")
        kinds = self._kinds(line, line.event() or "")
        data = self._data(line, kinds[0])
        kinds = ["booking.completed" if kind == ASSUMED else kind for kind in kinds]
        if client is None or at is None or line.is_bad:
            return []
        event_id = self._event_id(line)
        ids = (event_id, f"{event_id}-settled")
        return [
            Happening(event_id=each, client=client, kind=kind, at=at, data=data)
            for each, kind in zip(ids, kinds, strict=False)
        ]

    def _kinds(self, line: Line, kind: str) -> list[str]:
        """The kind of the row's own event, and that of another one which it tells as well."""
        is_state = kind == "payment.refunded" and self._rules.columns.is_state
        if is_state and line.ask("refunds") == "state":
            return [kind, "payment.settled"]
        return [kind]

    def _data(self, line: Line, kind: str) -> dict[str, Any]:
        of = kind.partition(".")[0]
        name = f"{of}_id"
        column = name if self._rules.columns.has(name) else "id"
        data: dict[str, Any] = {name: line.id(column, of or "booking")}
        if kind in TIMED:
            data["starts_at"] = line.instant("starts_at")
        if kind in PRICED:
            data |= {"amount_minor": line.amount(), "currency": self._rules.currency}
        return data | (codes(line) if of == "booking" else {}) | details(line, kind)

    def _event_id(self, line: Line) -> str:
        words = _told(line.words())
        told = line.code("event_id")
        if told is not None:
            times = self._counted.count("id", told)
            if times != self._counted.count("words", told, words):
                line.add_problem(
                    "event_id",
                    said("names an event that another line tells otherwise"),
                    said("give each event an id of its own"),
                )
            return told
        ordinal = self._counted.count("words", words)
        digest = hashlib.sha256(f"{words}\n{ordinal}".encode("utf-8", "surrogatepass"))
        return f"row-{digest.hexdigest()[:_DIGITS]}"


class BookingRows:
    """Reads rows as bookings as they are now."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._counted = DiskCounter()

    def read(self, row: Row) -> Outcome[Booking]:
        """The booking of a row; none where anything stands against it, for a booking that has left
        the row's hour, and for one that another line has told in the same words."""
        line = Line(row, self._rules)
        booking = self._booking(line)
        return _outcome(row, line, [] if booking is None else [booking])

    def close(self) -> None:
        """Forget which bookings there were."""
        self._counted.close()

    def _booking(self, line: Line) -> Booking | None:
        client = line.id("client_id", "client")
        column = "booking_id" if self._rules.columns.has("booking_id") else "id"
        booking_id = line.id(column, "booking")
        starts_at = line.instant("starts_at")
        state = self._state(line)
        booked_at = self._optional_instant(line, "booked_at")
        changed_at = self._optional_instant(line, "changed_at")
        attributes = codes(line)
        if (
            client is None
            or booking_id is None
            or starts_at is None
            or line.is_bad
            or state is None
        ):
            return None
        if self._is_twice(line, column, booking_id):
            return None
        return Booking(
            booking_id=booking_id,
            client=client,
            state=state,
            starts_at=starts_at,
            booked_at=booked_at,
            changed_at=changed_at,
            codes=tuple(attributes.items()),
            line=line.number,
        )

    def _state(self, line: Line) -> State | None:
        kind = line.event()
        if kind == "booking.rescheduled":
            return "booked" if line.ask("moved") == "here" else None
        state = _STATES.get(kind or "")
        if kind is not None and state is None:
            line.add_problem(
                "event", said("is no state of a booking"), said("take the line out of this file")
            )
        return state

    def _optional_instant(self, line: Line, name: str) -> datetime | None:
        return line.instant(name) if line.text(name) else None

    def _is_twice(self, line: Line, column: str, booking_id: str) -> bool:
        times = self._counted.count("id", booking_id)
        if times == self._counted.count("words", _told(line.words())):
            return times > 0
        line.add_problem(
            column,
            said("names a booking that another line tells otherwise"),
            said("keep the line that holds now; two bookings need two ids"),
        )
        return True


class UntoldRows:
    """Reads rows of a file of which nobody has said how it is told: they say nothing."""

    def read(self, row: Row) -> Outcome[SourceEvent]:
        """An empty outcome."""
        return Outcome(line=row.line)

    def close(self) -> None:
        """There is nothing to forget."""


def codes(line: Line) -> dict[str, str]:
    """The codes of a booking that the row names."""
    return {name: text for name in CODES if (text := line.code(name))}


def _outcome(row: Row, line: Line, told: Sequence[T]) -> Outcome[T]:
    return Outcome(
        line=row.line,
        told=() if line.is_bad else told,
        problems=line.all_problems(),
        asked=line.asked,
        lacking=frozenset(line.lacking),
    )
