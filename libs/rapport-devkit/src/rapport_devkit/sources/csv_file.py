"""Events from a CSV file of your own: the whole file is valid, or every bad line is listed.

A header line, then a line for each event. Columns (others are ignored; order is free):

client_id    required   the client's id in your system
happened_at  required   `2026-03-01`, `2026-03-01 14:30`, or RFC 3339 with an offset; without an
                        offset the practice's clock, without a time 10:00
event        required   booked, rescheduled, cancelled, completed, no_show (bookings);
                        settled, refunded, failed, charged_back (payments)
id           required   the booking's or payment's id in your system
amount       payments   in the currency's main unit (`49.90`); not for `failed`
currency     payments   ISO 4217, the same in the whole file; without the column CNY
starts_at    bookings   for `booked` and `rescheduled`: when the hour begins, as happened_at

What spreadsheets save is read where there is no doubt: UTF-8, UTF-16, GB18030; commas, semicolons,
tabs; 2026/3/1 9:10; ¥1,200.00; common Chinese words for columns and events.

An event's id comes from its line number, so two equal lines are two events.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_devkit.sources.csv_problems import BadFile, Problem, Refused
from rapport_devkit.sources.csv_table import REQUIRED, Row, Table, read_table
from rapport_devkit.sources.csv_values import (
    cut_off,
    read_amount,
    read_currency,
    read_event,
    read_id,
    read_instant,
)
from rapport_devkit.sources.csv_words import half_width
from rapport_devkit.sources.dataset import Dataset, Happening, Origin, by_day
from rapport_devkit.words import ENGLISH, Words

DEFAULT_CURRENCY = "CNY"

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "booked": "booking.created",
        "rescheduled": "booking.rescheduled",
        "cancelled": "booking.cancelled",
        "completed": "booking.completed",
        "no_show": "booking.no_show",
        "settled": "payment.settled",
        "refunded": "payment.refunded",
        "failed": "payment.failed",
        "charged_back": "payment.charged_back",
    }
)
_TIMED = frozenset({"booking.created", "booking.rescheduled"})
_PRICED = frozenset({"payment.settled", "payment.refunded", "payment.charged_back"})
_IDS = ("client_id", "id")
_COLUMN_OF_FIELD: Mapping[str, str] = MappingProxyType(
    {
        "/subject": "client_id",
        "/time": "happened_at",
        "/data/booking_id": "id",
        "/data/payment_id": "id",
        "/data/amount_minor": "amount",
        "/data/currency": "currency",
        "/data/starts_at": "starts_at",
    }
)

T = TypeVar("T")


def read_csv(path: Path, origin: Origin, words: Words = ENGLISH) -> Dataset:
    """The events of a file; its columns are described at the head of this module.

    Raises BadFile when any line is bad, OSError when the file cannot be read.
    """
    table = read_table(path.read_bytes(), words)
    file = _File(table, origin, words)
    read = [file.read(number, row) for number, row in table.rows]
    events = [event for event in read if event is not None]
    problems = [*table.problems, *file.problems, *file.cut_ids(), *file.missing_columns()]
    if problems:
        raise BadFile(sorted(problems, key=lambda problem: problem.line))
    return Dataset(
        title=path.name,
        currency=file.currency,
        days=by_day(events, origin.zone),
        notes=tuple(table.notes),
    )


class _Line:
    """One line being read: a cell that is not valid becomes a problem."""

    def __init__(self, number: int, row: Row, columns: frozenset[str], words: Words) -> None:
        self.problems: list[Problem] = []
        self.lacking: set[str] = set()
        self._number = number
        self._row = row
        self._columns = columns
        self._words = words

    def get(self, column: str, read: Callable[[str], T]) -> T | None:
        """The value of a cell; None where it has none, which is kept in mind."""
        if column not in self._columns:
            self.lacking.add(column)
            return None
        text = self._row.get(column, "")
        try:
            if not text:
                raise Refused(self._words("is empty"))
            return read(text)
        except Refused as refused:
            self.add_problem(column, refused.reason)
        return None

    def has(self, column: str) -> bool:
        """Whether the cell has a text."""
        return bool(self._row.get(column))

    def add_problem(self, column: str, reason: str) -> None:
        """Keep in mind what is wrong with a cell."""
        self.problems.append(Problem(self._number, column, reason))


class _File:
    """Turns a table's rows into events, and collects the problems of all their cells."""

    def __init__(self, table: Table, origin: Origin, words: Words) -> None:
        self.problems: list[Problem] = []
        self._table = table
        self._origin = origin
        self._words = words
        self._id = partial(read_id, words=words)
        self._event = partial(read_event, words=words)
        self._instant = partial(read_instant, zone=ZoneInfo(origin.zone), words=words)
        self._lacking = {name for name in REQUIRED if table.found and name not in table.columns}
        self.currency = self._first_currency()

    def read(self, number: int, row: Row) -> SourceEvent | None:
        """The event of a row; None, and its problems, for a bad row."""
        line = _Line(number, row, self._table.columns, self._words)
        happening = self._happening(number, line)
        event = None
        if happening is not None:
            try:
                event = happening.event(self._origin)
            except InvalidEvent as invalid:
                column = _COLUMN_OF_FIELD.get(invalid.field or "", "-")
                line.add_problem(column, self._words(invalid.detail))
        self.problems += line.problems
        self._lacking |= line.lacking
        return event

    def cut_ids(self) -> list[Problem]:
        """Problems of columns whose long ids have lost their last digits in a spreadsheet."""
        reason = self._words(
            "has lost its last digits in a spreadsheet, as all long ids here end in zeros: give the"
            " column the format Text, and fill in the ids again"
        )
        problems = []
        for column in _IDS:
            ids = [(number, half_width(row.get(column, ""))) for number, row in self._table.rows]
            cut = cut_off({each for _, each in ids})
            problems += [Problem(number, column, reason) for number, each in ids if each in cut]
        return problems

    def missing_columns(self) -> list[Problem]:
        """A problem for each column that the file needs and does not have."""
        found = ", ".join(self._table.found) or "-"
        reason = self._words("the column is missing; there are: {found}", found=found)
        return [Problem(self._table.header_line, name, reason) for name in sorted(self._lacking)]

    def _happening(self, number: int, line: _Line) -> Happening | None:
        """What a line says; None when any of it is missing or not valid."""
        client = line.get("client_id", self._id)
        at = line.get("happened_at", self._instant)
        kind = _KINDS.get(line.get("event", self._event) or "", "")
        subject = "booking_id" if kind.startswith("booking") else "payment_id"
        data = {subject: line.get("id", self._id), **self._data(kind, line)}
        if client is None or at is None or line.problems or line.lacking:
            return None
        return Happening(event_id=f"line-{number}", client=client, kind=kind, at=at, data=data)

    def _data(self, kind: str, line: _Line) -> dict[str, Any]:
        if kind in _TIMED:
            return {"starts_at": line.get("starts_at", self._instant)}
        if kind in _PRICED:
            if line.has("currency"):
                line.get("currency", self._same_currency)
            return {"amount_minor": line.get("amount", self._amount), "currency": self.currency}
        return {}

    def _amount(self, text: str) -> int:
        return read_amount(text, self.currency, self._words, decimal_comma=self._table.semicolons)

    def _same_currency(self, text: str) -> str:
        code = read_currency(text, self._words)
        if code != self.currency:
            raise Refused(self._words("is not {currency}, as further up", currency=self.currency))
        return code

    def _first_currency(self) -> str:
        """The currency of the first payment that names one."""
        for _, row in self._table.rows:
            try:
                if _KINDS[read_event(row.get("event", ""), self._words)] in _PRICED:
                    return read_currency(row.get("currency", ""), self._words)
            except Refused:
                continue
        return DEFAULT_CURRENCY
