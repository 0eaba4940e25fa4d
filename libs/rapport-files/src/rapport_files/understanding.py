"""What was understood of a file, before anything of it is taken: columns, counts, questions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from rapport_contracts.catalogue import kind_of
from rapport_contracts.source import (
    PaymentChargedBack,
    PaymentRefunded,
    PaymentSettled,
    SourceEvent,
)
from rapport_files.columns import Columns
from rapport_files.counting import Contradictions
from rapport_files.damage import IdColumn
from rapport_files.events import Origin
from rapport_files.lines import PRICED, Rules, read_kind
from rapport_files.money import read_currency
from rapport_files.options import Options, Question
from rapport_files.preview import Preview
from rapport_files.problems import Problem, Refusals, Refused
from rapport_files.readers.rows import Row
from rapport_files.rows import BookingRows, EventRows, UntoldRows
from rapport_files.snapshots import Booking
from rapport_files.survey import NotUnderstood, Seen, Survey, note_contradictions
from rapport_files.tables import Table, open_table


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """What there is to know of a file before it is taken.

    `blocked` says that the file as a whole is not right, so that nothing of it can be taken; rows
    that are refused leave the others as they are. `refusals` hold both.
    """

    preview: Preview
    questions: Sequence[Question]
    refusals: Refusals
    blocked: bool
    table: Table
    rules: Rules
    origin: Origin

    @property
    def can_begin(self) -> bool:
        """Whether nothing stands against the file as a whole, and nothing is left open."""
        return not self.questions and not self.blocked and bool(self.preview.told_as)

    def events(self) -> Iterator[SourceEvent]:
        """The events of all rows that are not refused, in the order of the file. Raises
        NotUnderstood, OSError."""
        return (event for _, event in self.numbered_events())

    def numbered_events(self) -> Iterator[tuple[int, SourceEvent]]:
        """The same, each with the number of its line. Raises NotUnderstood, OSError."""
        if not self.can_begin or self.preview.told_as != "events":
            raise NotUnderstood
        return self._events()

    def _events(self) -> Iterator[tuple[int, SourceEvent]]:
        with closing(EventRows(self.rules, self.origin)) as reader:
            for row in self._rows():
                for event in reader.read(row).told:
                    yield row.line, event

    def bookings(self) -> Iterator[Booking]:
        """The bookings of all rows that are not refused. Raises NotUnderstood, OSError."""
        if not self.can_begin or self.preview.told_as != "snapshot":
            raise NotUnderstood
        with closing(BookingRows(self.rules)) as reader:
            for row in self._rows():
                yield from reader.read(row).told

    def _rows(self) -> Iterator[Row]:
        return (each for each in self.table.rows() if isinstance(each, Row))


def understand(
    path: Path, origin: Origin, options: Options, each: Callable[[Problem], None] = lambda _: None
) -> Understanding:
    """Read a file twice, for what its columns tell together and for each of its rows, and take
    nothing of it; where lines have ids of their own it is read once more, for those that contradict
    each other. `each` gets every problem as it is found. Raises BadAnswer, OSError."""
    table = open_table(path, options)
    told_as = _told_as(table.columns, options)
    rules = rules_of(table, origin, options)
    _note_ids(table, rules, origin, told_as)
    preview = Preview(
        format=table.format,
        told_as=told_as,
        notes=table.notes,
        columns=table.columns.headers,
        unread=table.columns.unread,
        currency=rules.currency,
    )
    refusals = Refusals(each)
    survey: Survey[SourceEvent | Booking] = Survey(table, preview, refusals, partial(_seen, rules))
    missing = _missing(table.columns, told_as)
    found = survey.all(_reader(rules, origin, told_as), missing, told_as=not told_as)
    return Understanding(
        preview=preview,
        questions=found.questions,
        refusals=refusals,
        blocked=found.blocked,
        table=table,
        rules=rules,
        origin=origin,
    )


def _note_ids(table: Table, rules: Rules, origin: Origin, told_as: str) -> None:
    """Find the ids of which lines tell otherwise than others."""
    reader = _reader(rules, origin, told_as)
    has_ids = told_as == "snapshot" or table.columns.has("event_id")
    if has_ids and not isinstance(reader, UntoldRows):
        with closing(reader):
            note_contradictions(table, reader.told_ids, rules.contradictions)


def _reader(rules: Rules, origin: Origin, told_as: str) -> EventRows | BookingRows | UntoldRows:
    if told_as == "snapshot":
        return BookingRows(rules)
    return EventRows(rules, origin) if told_as == "events" else UntoldRows()


def _seen(rules: Rules, told: SourceEvent | Booking) -> Seen:
    """What is counted of an event, or of a booking."""
    if isinstance(told, Booking):
        return Seen(told.state, told.client, _day(told.starts_at, rules))
    minor = None
    if isinstance(told, PaymentSettled | PaymentRefunded | PaymentChargedBack):
        minor = told.data.amount_minor
    return Seen(kind_of(told.type), told.subject, _day(told.time, rules), minor)


def _day(at: datetime, rules: Rules) -> date:
    return at.astimezone(rules.zone).date()


def rules_of(table: Table, origin: Origin, options: Options) -> Rules:
    """How the cells of a table are read, from a first look at all of them. Raises OSError."""
    ids: dict[tuple[str, str], IdColumn] = {}
    currency, words = None, options.words()
    at = table.columns.places
    for row in table.rows():
        if isinstance(row, Problem):
            continue
        cells = {name: row.cells[place] for name, place in at.items() if place < len(row.cells)}
        kind = _kind(cells.get("event", ""), words)
        of = kind.partition(".")[0]
        for name in ("client_id", "id", "booking_id", "payment_id", "signal_id"):
            whose = "client" if name == "client_id" else of
            if cells.get(name):
                ids.setdefault((name, whose), IdColumn()).see(cells[name])
        if currency is None and kind in PRICED and not options.only_currency:
            currency = _currency(cells.get("currency", ""))
    return Rules(
        columns=table.columns,
        options=options,
        zone=ZoneInfo(origin.zone),
        currency=currency or options.currency,
        decimal_comma=table.decimal_comma,
        ids=ids,
        words=words,
        contradictions=Contradictions(),
    )


def _kind(text: str, own: Mapping[str, str]) -> str:
    try:
        return read_kind(text, own)
    except Refused:
        return ""


def _currency(text: str) -> str | None:
    try:
        return read_currency(text)
    except Refused:
        return None


def _told_as(columns: Columns, options: Options) -> str:
    """`events`, `snapshot`, or nothing where the file may be either."""
    if "told_as" in options.answers:
        return options.answers["told_as"]
    if not (columns.has("starts_at") and columns.has("event")):
        return "events"
    if not columns.has("happened_at"):
        return "snapshot"
    return "" if columns.is_state else "events"


def _missing(columns: Columns, told_as: str) -> set[str]:
    """The fields that every row needs, and the file has no column for."""
    time = "starts_at" if told_as == "snapshot" else "happened_at"
    missing = {name for name in ("client_id", time, "event", "id") if not columns.has(name)}
    has_both = columns.has("booking_id") and columns.has("payment_id")
    return missing - {"id"} if has_both else missing
