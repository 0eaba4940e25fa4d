"""What was understood of a file, before anything of it is taken: columns, counts, questions."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rapport_contracts.source import (
    PaymentChargedBack,
    PaymentRefunded,
    PaymentSettled,
    SourceEvent,
)
from rapport_files.columns import Columns
from rapport_files.counting import DiskCounter
from rapport_files.damage import IdColumn
from rapport_files.events import Origin
from rapport_files.lines import PRICED, Rules, read_kind
from rapport_files.money import read_currency
from rapport_files.options import COLUMN, Options, Question, question
from rapport_files.preview import Preview
from rapport_files.problems import WHOLE_LINE, Broken, Problem, Refusals, Refused
from rapport_files.readers.rows import Row
from rapport_files.rows import BookingRows, EventRows, Outcome, UntoldRows
from rapport_files.said import said
from rapport_files.snapshots import Booking
from rapport_files.tables import Table, open_table

_LINES_NAMED = 8


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
        if not self.can_begin or self.preview.told_as != "events":
            raise NotUnderstood
        with closing(EventRows(self.rules, self.origin)) as reader:
            for row in self._rows():
                yield from reader.read(row).told

    def bookings(self) -> Iterator[Booking]:
        """The bookings of all rows that are not refused. Raises NotUnderstood, OSError."""
        if not self.can_begin or self.preview.told_as != "snapshot":
            raise NotUnderstood
        with closing(BookingRows(self.rules)) as reader:
            for row in self._rows():
                yield from reader.read(row).told

    def _rows(self) -> Iterator[Row]:
        return (each for each in self.table.rows() if isinstance(each, Row))


class NotUnderstood(Exception):
    """The file waits for an answer, cannot be taken as a whole, or is told in the other way."""


def understand(
    path: Path, origin: Origin, options: Options, each: Callable[[Problem], None] = lambda _: None
) -> Understanding:
    """Read a file twice, for what its columns tell together and for each of its rows, and take
    nothing of it. `each` gets every problem as it is found. Raises BadAnswer, OSError."""
    table = open_table(path, options)
    rules = rules_of(table, origin, options)
    return _Survey(table, rules, origin, Refusals(each)).all()


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
        for name in ("client_id", "id", "booking_id", "payment_id"):
            whose = "client" if name == "client_id" else of
            if cells.get(name):
                ids.setdefault((name, whose), IdColumn()).see(cells[name])
        if currency is None and kind in PRICED:
            currency = _currency(cells.get("currency", ""))
    return Rules(
        columns=table.columns,
        options=options,
        zone=ZoneInfo(origin.zone),
        currency=currency or options.currency,
        decimal_comma=table.decimal_comma,
        ids=ids,
        words=words,
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


class _Survey:
    """Reads all rows once, and counts."""

    def __init__(self, table: Table, rules: Rules, origin: Origin, refusals: Refusals) -> None:
        self._table = table
        self._rules = rules
        self._origin = origin
        self._refusals = refusals
        self._clients = DiskCounter()
        self._lacking: set[str] = set()
        self._waiting: dict[str, list[int]] = {}
        self._waits: Counter[str] = Counter()
        told_as = _told_as(table.columns, rules.options)
        columns = table.columns
        self._preview = Preview(
            format=table.format,
            told_as=told_as,
            notes=table.notes,
            columns=columns.headers,
            unread=columns.unread,
            currency=rules.currency,
        )

    def all(self) -> Understanding:
        """What there is to know."""
        for problem in self._table.blocked:
            self._refusals.add(problem)
        broken = self._read_rows()
        self._check_columns()
        self._preview.clients = len(self._clients)
        self._clients.close()
        return Understanding(
            preview=self._preview,
            questions=self._questions(),
            refusals=self._refusals,
            blocked=bool(self._table.blocked or self._lacking or broken or not self._preview.rows),
            table=self._table,
            rules=self._rules,
            origin=self._origin,
        )

    def _read_rows(self) -> bool:
        """Whether the end of the file could not be read."""
        with closing(self._reader()) as reader:
            broken = False
            for row in self._table.rows():
                self._preview.rows += 1
                if not isinstance(row, Problem):
                    self._count(reader.read(row))
                    continue
                self._refusals.add(row)
                self._preview.refused += 1
                broken = broken or isinstance(row, Broken)
        return broken

    def _reader(self) -> EventRows | BookingRows | UntoldRows:
        if self._preview.told_as == "snapshot":
            return BookingRows(self._rules)
        if self._preview.told_as == "events":
            return EventRows(self._rules, self._origin)
        return UntoldRows()

    def _count(self, outcome: Outcome[SourceEvent] | Outcome[Booking]) -> None:
        preview = self._preview
        for problem in outcome.problems:
            self._refusals.add(problem)
        preview.refused += bool(outcome.problems)
        preview.waiting += bool(outcome.asked and not outcome.problems)
        for key in set(outcome.asked):
            self._waits[key] += 1
            if len(lines := self._waiting.setdefault(key, [])) < _LINES_NAMED:
                lines.append(outcome.line)
        self._lacking |= outcome.lacking
        for each in outcome.told:
            if isinstance(each, Booking):
                self._saw(each.state, each.client, each.starts_at)
            else:
                kind = each.type.removeprefix("rapport.").removesuffix(".v1")
                self._saw(kind, each.subject, each.time)
                if isinstance(each, PaymentSettled | PaymentRefunded | PaymentChargedBack):
                    preview.money[kind] += each.data.amount_minor

    def _saw(self, kind: str, client: str | None, at: datetime) -> None:
        preview = self._preview
        preview.kinds[kind] += 1
        if client is not None:
            self._clients.count(client)
        on = at.astimezone(self._rules.zone).date()
        preview.first_on = min(preview.first_on or on, on)
        preview.last_on = max(preview.last_on or on, on)

    def _check_columns(self) -> None:
        columns = self._table.columns
        if columns.width and not self._preview.rows:
            nothing = said("there is no line after the header")
            self._refusals.add(Problem(columns.line + 1, WHOLE_LINE, nothing, said("fill it in")))
        if not columns.width:
            return
        self._lacking |= _missing(columns, self._preview.told_as)
        found = ", ".join(columns.headers.values()) or "-"
        reason = said("the column is missing; there are: {found}", found=found)
        for name in sorted(self._lacking):
            way_out = said("call it {name}, or answer column.{name}=", name=name)
            self._refusals.add(Problem(columns.line, name, reason, way_out))

    def _questions(self) -> list[Question]:
        asked = {each.key: each for each in self._table.columns.asked.values()}
        questions = [*self._table.questions]
        if not self._preview.told_as:
            questions.append(question("told_as"))
        for key, lines in self._waiting.items():
            asks = asked[key] if key.startswith(COLUMN) else question(key)
            questions.append(
                Question(
                    key=key,
                    asks=asks.asks,
                    choices=asks.choices,
                    lines=lines,
                    count=self._waits[key],
                )
            )
        return questions


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
