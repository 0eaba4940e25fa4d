"""One row being read: each cell is a value, a problem, or waits for an answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from rapport_contracts.errors import InvalidEvent
from rapport_files.columns import Columns
from rapport_files.counting import Contradictions
from rapport_files.damage import IdColumn, check_id, check_shown
from rapport_files.instants import read_instant
from rapport_files.money import read_amount, read_currency
from rapport_files.options import Asked, Options
from rapport_files.problems import WHOLE_LINE, Problem, Refused
from rapport_files.readers.rows import Nested, Number, Row
from rapport_files.said import Said, said
from rapport_files.words import CARE, EVENTS, SUMS, meanings, plain_word

ASSUMED: Final = "booking.assumed"
"""A `booking.completed` that nobody reported."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "requested": "booking.requested",
        "booked": "booking.created",
        "rescheduled": "booking.rescheduled",
        "cancelled": "booking.cancelled",
        "assumed": ASSUMED,
        "completed": "booking.completed",
        "no_show": "booking.no_show",
        "settled": "payment.settled",
        "refunded": "payment.refunded",
        "refunded_total": "payment.refunded_total",
        "refund_failed": "payment.refund_failed",
        "failed": "payment.failed",
        "charged_back": "payment.charged_back",
        "chargeback_reversed": "payment.chargeback_reversed",
        **{
            name: f"signal.{name}"
            for name in (
                *("consulted", "visited", "enquired", "referral_made", "referral_converted"),
                *("engaged", "need_noted", "case_opened", "case_closed", "arrears_opened"),
                *("arrears_cleared", "need_consent_given", "need_consent_withdrawn"),
                *("override_begun", "override_ended", "neutral_begun", "neutral_ended"),
            )
        },
        "signal_withdrawn": "signal.withdrawn",
    }
)
TIMED: Final = frozenset({"booking.created", "booking.rescheduled"})
PRICED: Final = frozenset(
    {
        *("payment.settled", "payment.refunded", "payment.refunded_total", "payment.charged_back"),
        "signal.arrears_opened",
    }
)
_DETAILS: Final = (
    *("package_id", "units", "payer", "replaces"),
    *("cancelled_by", "cancelled_at", "refund_id", "chargeback_id"),
    *("channel", "engagement", "code", "clarity", "urgency", "outcome", "tier", "reason", "until"),
)
CODES: Final = ("counsellor_id", "service_code", "site", "product")

_EVENTS = meanings(EVENTS)
_CARE = meanings(CARE)
_OF_CARE = said("is a signal of care, which no file of events tells")
_CARE_GOES = said(
    "take the line out: give consents by outreach's import-contacts, and send all other signals of"
    " care to POST /v1/events or source.care.v1"
)
_HALF = re.compile("[\ud800-\udfff]")
"""A JSON file may escape one half of a pair; no encoding can hold it."""
_BEYOND_HEADER = said("has more cells than the header")
_QUOTES = said('a comma inside of a cell needs quotes around it: "1,200.00"')
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/id": "event_id",
        "/subject": "client_id",
        "/time": "happened_at",
        "/data/booking_id": "id",
        "/data/payment_id": "id",
        "/data/signal_id": "id",
        "/data/amount_minor": "amount",
        "/data/currency": "currency",
        "/data/starts_at": "starts_at",
        **{f"/data/{name}": name for name in (*CODES, *_DETAILS)},
    }
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the cells of a file are read: its columns, zone (None: it is asked where a time needs
    one) and currency (ISO 4217), the answers, and what all its ids together tell, by field and
    `booking` or `payment`. `words` are those of one's own for events, `contradictions` what lines
    name of which they tell otherwise than others do."""

    columns: Columns
    options: Options
    zone: ZoneInfo | None
    currency: str
    decimal_comma: bool
    ids: Mapping[tuple[str, str], IdColumn]
    words: Mapping[str, str]
    contradictions: Contradictions


class Line:
    """Reads the cells of a row, and keeps what stands against it.

    `problems` are those of its cells, `asked` the questions for which it waits, and `lacking` the
    fields that it needs and the file has no column for.
    """

    def __init__(self, row: Row, rules: Rules) -> None:
        self.problems: list[Problem] = []
        self.asked: list[str] = []
        self.lacking: set[str] = set()
        self._row = row
        self._rules = rules
        cells = row.cells
        places = rules.columns.places
        self._cells = {name: cells[at] for name, at in places.items() if at < len(cells)}
        if any(cells[rules.columns.width :]):
            self.add_problem(WHOLE_LINE, _BEYOND_HEADER, _QUOTES)

    @property
    def number(self) -> int:
        """Where the row ends in the file; the first line is 1."""
        return self._row.line

    @property
    def is_bad(self) -> bool:
        """Whether something stands against this row."""
        return bool(self.problems or self.asked or self.lacking)

    def is_sum(self) -> bool:
        """Whether the row adds up others. One that says a whole event does not."""
        cells = (
            self.text(name) for name in ("client_id", "happened_at", "starts_at", "event", "id")
        )
        return self.is_bad and any(plain_word(each) in SUMS for each in cells)

    def all_problems(self) -> list[Problem]:
        """What is wrong with the row: of one that adds up others that alone."""
        if self.is_sum():
            self.problems.clear()
            self.add_problem(WHOLE_LINE, said("adds up other lines"), said("delete the line"))
        return self.problems

    def text(self, name: str) -> str:
        """A cell as it stands; empty for a field without a column, or with one in doubt."""
        return self._cells.get(name, "")

    def get(self, name: str, read: Callable[[str], T]) -> T | None:
        """The value of a cell; None, and what stands against it, without one."""
        try:
            place = self._rules.columns.place(name)
        except Asked as asked:
            self.asked.append(asked.key)
            return None
        if place is None:
            self.lacking.add(name)
        elif not self.text(name):
            self.add_problem(name, said("is empty"), said("fill it in"))
        else:
            return self._read(name, read)
        return None

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """The value of a cell, None for an empty one or without a column."""
        is_told = self.text(name) or name in self._rules.columns.asked
        return self.get(name, read) if is_told else None

    def event(self) -> str | None:
        """The kind of the event, such as `booking.completed`."""
        return self.get("event", lambda text: read_kind(text, self._rules.words))

    def id(self, name: str, of: str) -> str | None:
        """An id of a `booking` or `payment` row, as it stands."""
        return self.get(name, lambda text: self._id(name, of, text))

    def code(self, name: str) -> str | None:
        """An id or a code that a row may have, as it stands."""
        return self.optional(name, _undamaged)

    def instant(self, name: str) -> datetime | None:
        """The instant of a cell."""
        order = self._rules.options.answers.get("day_order")
        return self.get(name, lambda text: read_instant(text, self._rules.zone, order))

    def amount(self) -> int | None:
        """The minor units of the row's amount, whose currency must be that of the file. Without a
        word for it the currency is that of the options, which must be the file's then."""
        columns = self._rules.columns
        if "currency" in columns.places and self._rules.currency != self._rules.options.currency:
            self.get("currency", self._same_currency)
        else:
            self.optional("currency", self._same_currency)
        return self.get("amount", self._amount)

    def ask(self, key: str) -> str | None:
        """The answer to a question; None, and the row waits, without one."""
        answer = self._rules.options.answers.get(key)
        if answer is None:
            self.asked.append(key)
        return answer

    def add_problem(self, name: str, reason: Said, way_out: Said) -> None:
        """Keep in mind what is wrong with a cell, or with the line."""
        column = name if name == WHOLE_LINE else self._rules.columns.header(name)
        self.problems.append(Problem(self._row.line, column, reason, way_out))

    def add_invalid(self, invalid: InvalidEvent) -> None:
        """Keep in mind what the contract refuses."""
        field = invalid.field or ""
        name = _FIELDS.get(field, WHOLE_LINE)
        if name == "id" and not self._rules.columns.has(name):
            name = field.rpartition("/")[2]
        self.add_problem(name, said(invalid.detail), said("correct it"))

    def _read(self, name: str, read: Callable[[str], T]) -> T | None:
        text = self.text(name)
        try:
            if isinstance(text, Nested):
                raise Refused(said("holds a list or an object"), said("write one value"))
            if _HALF.search(text):
                raise Refused(
                    said("has half of a character"), said("write it anew, and save as UTF-8")
                )
            check_shown(text)
            return read(str(text))
        except Refused as refused:
            self.add_problem(name, refused.reason, refused.way_out)
        except Asked as asked:
            self.asked.append(asked.key)
        return None

    def _id(self, name: str, of: str, text: str) -> str:
        if (column := self._rules.ids.get((name, of))) is not None:
            column.check(text)
        return _undamaged(text)

    def _amount(self, text: str) -> int:
        return read_amount(
            text,
            self._rules.currency,
            decimal_comma=self._rules.decimal_comma,
            sure_dot=isinstance(self.text("amount"), Number),
            two_numbers=self._rules.options.answers.get("two_numbers"),
        )

    def _same_currency(self, text: str) -> str:
        code, currency = read_currency(text), self._rules.currency
        if code == currency:
            return code
        if self._rules.options.only_currency:
            raise Refused(
                said("is not {currency}, the currency of the practice", currency=currency),
                said("convert the amount, or take the line out"),
            )
        raise Refused(
            said("is not {currency}, as further up", currency=currency),
            said("put each currency into a file of its own"),
        )


def _undamaged(text: str) -> str:
    check_id(text)
    return text


@lru_cache(maxsize=256)
def _event(text: str) -> str | None:
    return _EVENTS.get(plain_word(text))


def read_kind(text: str, own: Mapping[str, str]) -> str:
    """The kind of an event, such as `booking.completed`, from one of the words of `EVENTS`, or from
    one of `own`, which go before those. Raises Refused."""
    event = (own.get(plain_word(text)) if own else None) or _event(text)
    if event is None and plain_word(text) in _CARE:
        raise Refused(_OF_CARE, _CARE_GOES)
    if event is None:
        raise Refused(
            said("is no word for an event"), said("write one of {events}", events=", ".join(EVENTS))
        )
    return KINDS[event]
