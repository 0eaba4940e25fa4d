"""What a file was understood to say, as a person reads it before anything is taken."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from rapport_contracts.ranges import currencies
from rapport_files.said import Said, Speaker, english, said

_AS_WHAT: Mapping[str, Said] = MappingProxyType(
    {
        "snapshot": said("bookings as they are now"),
        "people": said("contacts and consents"),
        "events": said("events"),
        "": said("events"),
    }
)
"""How a file is told -> as what it is read; while nobody has said it is shown as events."""


@dataclass(kw_only=True)
class Preview:
    """What a file was understood to say. No word of it stands here but headers that are known.

    `columns` are the file's headers by field, `unread` the letters of all other columns. `kinds`
    counts events, or bookings by state; `refused` and `waiting` count rows, `money` sums minor
    units of `currency` by kind of event; the days are practice-local: of events, or of hours.
    """

    format: Said
    told_as: str
    notes: Sequence[Said]
    columns: Mapping[str, str]
    unread: Sequence[str]
    currency: str
    rows: int = 0
    refused: int = 0
    waiting: int = 0
    clients: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    money: Counter[str] = field(default_factory=Counter)
    first_on: date | None = None
    last_on: date | None = None

    def by(self, speaker: Speaker = english) -> Iterator[str]:
        """The preview as lines of text."""
        for each in self.said():
            yield each.by(speaker)

    def said(self) -> Iterator[Said]:
        """The preview as texts."""
        yield said("{format}, read as {what}", format=self.format, what=_AS_WHAT[self.told_as])
        yield from self.notes
        yield said("columns: {columns}", columns=self._columns())
        if self.unread:
            yield said("columns that are not read: {letters}", letters=", ".join(self.unread))
        yield said(
            "{rows} rows, of which {refused} are refused and {waiting} wait for an answer",
            rows=f"{self.rows:,}", refused=f"{self.refused:,}", waiting=f"{self.waiting:,}",
        )  # fmt: skip
        for kind, count in sorted(self.kinds.items()):
            yield said("{kind}: {count}", kind=kind, count=f"{count:,}")
        for kind, minor in sorted(self.money.items()):
            yield said(
                "{kind}: {amount} {currency}",
                kind=kind,
                amount=self._amount(minor),
                currency=self.currency,
            )
        if self.first_on is None and self.clients:
            yield said("{clients} clients", clients=f"{self.clients:,}")
        if self.first_on and self.last_on:
            yield said(
                "{clients} clients, from {first} to {last}",
                clients=f"{self.clients:,}", first=str(self.first_on), last=str(self.last_on),
            )  # fmt: skip

    def _columns(self) -> str:
        return ", ".join(f"{header} = {name}" for name, header in self.columns.items())

    def _amount(self, minor: int) -> str:
        return f"{Decimal(minor).scaleb(-currencies()[self.currency]):,f}"
