"""Events from a CSV file of your own: the whole file is valid, or every bad line is listed.

UTF-8, a header line, commas. Columns (others are ignored; order is free):

client_id    required   the client's id in your system
happened_at  required   `2026-03-01`, `2026-03-01 14:30`, or RFC 3339 with an offset; without an
                        offset the practice's clock, without a time 10:00
event        required   booked, rescheduled, cancelled, completed, no_show (bookings);
                        settled, refunded, failed, charged_back (payments)
id           required   the booking's or payment's id in your system
amount       payments   in the currency's main unit (`49.90`); not for `failed`
currency     payments   ISO 4217, the same in the whole file; without the column CNY
starts_at    bookings   for `booked` and `rescheduled`: when the hour begins, as happened_at

An event's id comes from its line number, so two equal lines are two events.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal, DecimalException
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from rapport_contracts.errors import InvalidEvent
from rapport_contracts.ranges import MAX_AMOUNT_MINOR, currencies
from rapport_contracts.source import SourceEvent
from rapport_devkit.sources.dataset import Dataset, Happening, Origin, by_day

DEFAULT_CURRENCY = "CNY"
HOUR = time(10)

_REQUIRED = ("client_id", "happened_at", "event", "id")
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
_TIMED = frozenset({"booked", "rescheduled"})
_PRICED = frozenset({"settled", "refunded", "charged_back"})
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

Row = Mapping[str, str]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line (1 = the header). The value itself is not repeated."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """One line of text for a terminal."""
        return f"line {self.line}, {self.column}: {self.reason}"


class BadFile(ValueError):
    """The file cannot be replayed; `problems` has every bad line, in the order of lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def read_csv(path: Path, origin: Origin) -> Dataset:
    """The events of a file; its columns are described at the head of this module.

    Raises BadFile when any line is bad, OSError when the file cannot be read.
    """
    rows = _rows(path)
    currency = next(filter(None, (_cell(row, "currency") for _, row in rows)), DEFAULT_CURRENCY)
    reader = _LineReader(origin, currency)
    events = [event for line, row in rows if (event := reader.read(line, row)) is not None]
    if reader.problems:
        raise BadFile(reader.problems)
    return Dataset(title=path.name, currency=currency, days=by_day(events, origin.zone))


def _rows(path: Path) -> list[tuple[int, Row]]:
    """Each row with the number of its last line. Raises BadFile when the file is not a table."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFile([Problem(line, "-", "is not UTF-8")]) from None
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows: list[tuple[int, Row]] = [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise BadFile([Problem(table.line_num, "-", f"is not CSV: {error}")]) from None
    missing = [name for name in _REQUIRED if name not in (table.fieldnames or ())]
    if missing:
        raise BadFile([Problem(1, name, "the column is missing") for name in missing])
    if not rows:
        raise BadFile([Problem(2, "-", "there is no line after the header")])
    return rows


def _cell(row: Row, column: str) -> str:
    """A cell without the blanks around it; empty when the line or the file does not have it."""
    return (row.get(column) or "").strip()


class _Refused(Exception):
    """A cell that is not valid; it becomes a Problem with the line's number."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class _LineReader:
    """Turns rows into events and collects the problems, one for each bad line."""

    def __init__(self, origin: Origin, currency: str) -> None:
        self.problems: list[Problem] = []
        self._origin = origin
        self._zone = ZoneInfo(origin.zone)
        self._currency = currency

    def read(self, line: int, row: Row) -> SourceEvent | None:
        """The event of a row; None, and one more problem, for a bad row."""
        try:
            return self._event(line, row)
        except _Refused as refused:
            self.problems.append(Problem(line, refused.column, refused.reason))
        except InvalidEvent as invalid:
            column = _COLUMN_OF_FIELD.get(invalid.field or "", "-")
            self.problems.append(Problem(line, column, invalid.detail))
        return None

    def _event(self, line: int, row: Row) -> SourceEvent:
        for column in _REQUIRED:
            if not _cell(row, column):
                raise _Refused(column, "is empty")
        event = _cell(row, "event")
        if event not in _KINDS:
            raise _Refused("event", f"is none of {', '.join(_KINDS)}")
        return Happening(
            event_id=f"line-{line}",
            client=_cell(row, "client_id"),
            kind=_KINDS[event],
            at=self._instant(row, "happened_at"),
            data=self._data(event, row),
        ).event(self._origin)

    def _data(self, event: str, row: Row) -> dict[str, Any]:
        subject = "booking_id" if _KINDS[event].startswith("booking") else "payment_id"
        data: dict[str, Any] = {subject: _cell(row, "id")}
        if event in _TIMED:
            data["starts_at"] = self._instant(row, "starts_at")
        if event in _PRICED:
            if _cell(row, "currency") not in ("", self._currency):
                raise _Refused("currency", f"is not {self._currency}, as further up")
            data |= {"amount_minor": self._amount(row), "currency": self._currency}
        return data

    def _amount(self, row: Row) -> int:
        """An amount in minor units; a decimal comma or a sign of thousands is refused."""
        decimals = currencies().get(self._currency)
        if decimals is None:
            raise _Refused("currency", "is no currency code of ISO 4217, such as CNY")
        try:
            minor = Decimal(_cell(row, "amount")).scaleb(decimals)
        except DecimalException:
            raise _Refused("amount", "is not a number such as 49.90") from None
        if not minor.is_finite() or not 0 <= minor <= MAX_AMOUNT_MINOR:
            most = Decimal(MAX_AMOUNT_MINOR).scaleb(-decimals)
            raise _Refused("amount", f"must be from 0 to {most:f} {self._currency}")
        if minor != int(minor):
            raise _Refused("amount", f"has more than {decimals} decimals")
        return int(minor)

    def _instant(self, row: Row, column: str) -> datetime:
        """A date, or a date with a time; without an offset it is local at the practice."""
        text = _cell(row, column)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise _Refused(column, "is not a date such as 2026-03-01 14:30") from None
        if len(text) <= len("2026-03-01"):
            instant = datetime.combine(instant, HOUR)
        return instant if instant.tzinfo else instant.replace(tzinfo=self._zone)
