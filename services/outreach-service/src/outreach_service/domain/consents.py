"""How a client may be reached, and for what: contacts, consents, withdrawals."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from outreach_service.domain.gates import Rest
from outreach_service.domain.terms import Channel, Purpose


class Subscription(NamedTuple):
    """What an unsubscribe link ends: one purpose on one channel for one client."""

    practice_id: str
    client_id: str
    channel: Channel
    purpose: Purpose


class WayOut(NamedTuple):
    """What an unsubscribe link says: what it ends, and to which contact point its message went, by
    its blind index; None in a link that does not say where."""

    subscription: Subscription
    contact_index: str | None = None


@dataclass(frozen=True)
class ContactUpdate:
    """How to reach a client on a channel, and since when if that is known; the address is in its
    one spelling. `zone` is where the client lives, if that is known (IANA)."""

    client_id: str
    channel: Channel
    address: str = field(repr=False)
    name: str = field(repr=False)
    language: str
    valid_from: datetime | None = None
    zone: str | None = None

    @property
    def counted_as(self) -> str:
        """The address by which caps, opt-outs and rests count: of an e-mail address in lower case,
        since no mailbox differs from another by that alone."""
        return self.address.lower() if self.channel is Channel.EMAIL else self.address


AHEAD: Final = timedelta(hours=48)
"""How far the time of a consent, and of a contact point, may lie ahead of business time: two zones,
and clocks that differ."""


class ConsentStatement(NamedTuple):
    """A client's consent to a channel and purpose, or its withdrawal, with the proof (L1, L10).

    `id` is unique in the practice and names the statement wherever it is repeated; `stated_at` is
    when the client made it. `contact_index` is where a click was made: at the contact point to
    which the link's message had gone.
    """

    id: str
    stated_at: datetime
    client_id: str
    channel: Channel
    purpose: Purpose
    granted: bool
    evidence: str
    text_version: str
    contact_index: str | None = None


class MaskedContact(NamedTuple):
    """A contact point with its address masked; with `rest` nothing goes there."""

    client_id: str
    channel: Channel
    address: str
    language: str
    rest: Rest | None = None
    zone: str | None = None


class SavedContact(NamedTuple):
    """A contact point that was saved, masked. `is_current`: it is the one where messages go now,
    and not one that was the client's earlier."""

    contact: MaskedContact
    is_current: bool


class Refused(StrEnum):
    """Why a statement or a contact point was not added: its id stands for another one, or it bears
    a time beyond `AHEAD`. A withdrawal is never refused for its time."""

    OTHER_CONTENT = "conflicting-duplicate"
    IN_THE_FUTURE = "stated-in-the-future"


class Recording(NamedTuple):
    """How statements were added: at which business time, and by whom: the id of an API key, or
    `one-click`."""

    at: datetime
    by: str


class RecordedStatement(NamedTuple):
    """A statement, when it was added and by whom, as in `Recording`."""

    statement: ConsentStatement
    recorded_at: datetime
    recorded_by: str

    @property
    def counts_at(self) -> datetime:
        """See `counts_at`."""
        return counts_at(self.statement, self.recorded_at)


class Appended(NamedTuple):
    """What came of adding statements: what their ids stand for now, and the clients of whom one
    was new."""

    kept: Mapping[str, ConsentStatement]
    clients: Collection[str]


class CurrentConsent(NamedTuple):
    """The statement that holds on a channel and purpose: the one that `counts_at` the latest time,
    and of two with the same the withdrawal. `recorded_at` is the business time at which it was
    added; `statements` counts all that were ever made. `applies`: messages may go to the contact
    point that the client has now."""

    statement: ConsentStatement
    recorded_at: datetime
    recorded_by: str
    statements: int
    applies: bool = False

    @property
    def counts_at(self) -> datetime:
        """See `counts_at`."""
        return counts_at(self.statement, self.recorded_at)


def counts_at(statement: ConsentStatement, recorded_at: datetime) -> datetime:
    """The time by which a statement is ordered among others (L1).

    It is when the client made it, but for a consent never later than when it was recorded: one
    that is dated ahead would beat the withdrawals that follow it. A withdrawal beyond `AHEAD` has
    a wrong date, and counts when it was recorded.
    """
    if statement.granted or statement.stated_at > recorded_at + AHEAD:
        return min(statement.stated_at, recorded_at)
    return statement.stated_at


class Preferences(NamedTuple):
    """A client's contact points and consents."""

    contacts: list[MaskedContact]
    consents: list[CurrentConsent]


def masked(channel: Channel, address: str) -> str:
    """An address that people can recognise but not use: `***1234`, `***@example.com`."""
    if channel is Channel.EMAIL:
        return f"***@{address.rpartition('@')[2]}"
    return f"***{address[-4:]}"
