"""Rows of a file as source events, or as bookings as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_files.counting import DiskCounter
from rapport_files.details import NEED, UNNAMED, details
from rapport_files.events import Happening, Origin
from rapport_files.instants import plain_instant
from rapport_files.lines import ASSUMED, CODES, PRICED, TIMED, Line, Rules
from rapport_files.problems import Problem
from rapport_files.readers.rows import Row
from rapport_files.row_ids import in_words, row_id
from rapport_files.said import said
from rapport_files.snapshots import Booking, State

_STATES: dict[str, State] = {
    "booking.created": "booked",
    "booking.completed": "completed",
    "booking.no_show": "no_show",
    "booking.cancelled": "cancelled",
}

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ToldId = tuple[str, str]
"""An id that a file has for a row, and what the row tells: the same in every format."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[T_co]):
    """What a row came to: what it says, or what stands against it."""

    line: int
    told: Sequence[T_co] = ()
    problems: Sequence[Problem] = ()
    asked: Sequence[str] = ()
    lacking: frozenset[str] = frozenset()


class _Facts(NamedTuple):
    """What a row tells, but for the id of its event; `kinds` are its own and that of another event
    that it tells as well."""

    client: str
    at: datetime
    kinds: Sequence[str]
    data: Mapping[str, Any]

    def words(self) -> str:
        """The same text for all rows that tell the same."""
        data = {
            name: plain_instant(value) if isinstance(value, datetime) else value
            for name, value in self.data.items()
        }
        return in_words([self.client, plain_instant(self.at), self.kinds, data])


class EventRows:
    """Reads rows as events, in the order of the file.

    An event id that the file lacks is the hash of what the row tells and its ordinal among rows
    that tell the same, so that a file with its rows in another order, among others, or saved in
    another format, tells the same events. A cell that this kind of event does not read, such as
    `updated_at`, is no part of it.
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
        return outcome(line, events)

    def close(self) -> None:
        """Forget which rows there were."""
        self._counted.close()

    def told_ids(self, row: Row) -> list[ToldId]:
        """The event id that the file has for a row, if any, and what the row tells."""
        line = Line(row, self._rules)
        facts = self._facts(line)
        event_id = line.code("event_id")
        return [] if facts is None or event_id is None else [(event_id, facts.words())]

    def _happenings(self, line: Line) -> list[Happening]:
        facts = self._facts(line)
        if facts is None:
            return []
        event_id = self._event_id(line, facts.words())
        ids = (event_id, f"{event_id}-settled")
        return [
            Happening(event_id=each, client=facts.client, kind=kind, at=facts.at, data=facts.data)
            for each, kind in zip(ids, facts.kinds, strict=False)
        ]

    def _facts(self, line: Line) -> _Facts | None:
        client = line.id("client_id", "client")
        at = line.instant("happened_at")
        kinds = self._kinds(line, line.event() or "")
        data = self._data(line, kinds[0])
        kinds = ["booking.completed" if kind == ASSUMED else kind for kind in kinds]
        if client is None or at is None or line.is_bad:
            return None
        return _Facts(client, at, kinds, data)

    def _kinds(self, line: Line, kind: str) -> list[str]:
        """The kind of the row's own event, and that of another one which it tells as well."""
        is_state = kind == "payment.refunded" and self._rules.columns.is_state
        if is_state and line.ask("refunds") == "state":
            return [kind, "payment.settled"]
        return [kind]

    def _data(self, line: Line, kind: str) -> dict[str, Any]:
        of = kind.partition(".")[0]
        data: dict[str, Any] = self._object(line, kind, of)
        if kind in TIMED:
            data["starts_at"] = line.instant("starts_at")
        if kind in PRICED or (kind == NEED and line.text("amount")):
            data |= {"amount_minor": line.amount(), "currency": self._rules.currency}
        return data | (codes(line) if of == "booking" else {}) | details(line, kind)

    def _object(self, line: Line, kind: str, of: str) -> dict[str, Any]:
        """What the event is about, by its id; some signals need none."""
        name = f"{of}_id"
        column = name if self._rules.columns.has(name) else "id"
        if kind not in UNNAMED:
            return {name: line.id(column, of or "booking")}
        named = line.id(column, of) if line.text(column) else None
        return {} if named is None else {name: named}

    def _event_id(self, line: Line, words: str) -> str:
        told = line.code("event_id")
        if told is not None:
            if told in self._rules.contradictions:
                line.add_problem(
                    "event_id",
                    said("names an event that another line tells otherwise"),
                    said("give each event an id of its own"),
                )
            return told
        ordinal = self._counted.count(words)
        return row_id(f"{words}\n{ordinal}")


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
        is_told = booking is not None and not self._is_twice(line, booking)
        return outcome(line, [booking] if booking is not None and is_told else [])

    def told_ids(self, row: Row) -> list[ToldId]:
        """The id of a row's booking, and what the row tells."""
        booking = self._booking(Line(row, self._rules))
        return [] if booking is None else [(booking.booking_id, _words(booking))]

    def close(self) -> None:
        """Forget which bookings there were."""
        self._counted.close()

    def _booking(self, line: Line) -> Booking | None:
        client = line.id("client_id", "client")
        booking_id = line.id(_id_column(self._rules), "booking")
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

    def _is_twice(self, line: Line, booking: Booking) -> bool:
        if booking.booking_id in self._rules.contradictions:
            line.add_problem(
                _id_column(self._rules),
                said("names a booking that another line tells otherwise"),
                said("keep the line that holds now; two bookings need two ids"),
            )
        return self._counted.count(booking.booking_id) > 0


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


def _id_column(rules: Rules) -> str:
    return "booking_id" if rules.columns.has("booking_id") else "id"


def _words(booking: Booking) -> str:
    """What a row tells of a booking, whichever line of the file it is."""
    values = (booking.client, booking.state, booking.codes)
    times = (booking.starts_at, booking.booked_at, booking.changed_at)
    return in_words([*values, [None if each is None else plain_instant(each) for each in times]])


def outcome(line: Line, told: Sequence[T]) -> Outcome[T]:
    """What a row came to that tells this, as far as nothing stands against it."""
    return Outcome(
        line=line.number,
        told=() if line.is_bad else told,
        problems=line.all_problems(),
        asked=line.asked,
        lacking=frozenset(line.lacking),
    )
