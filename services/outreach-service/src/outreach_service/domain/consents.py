"""How a client may be reached, and what they said about it: contacts, consents, withdrawals."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from outreach_service.domain.terms import Channel, Purpose


class Subscription(NamedTuple):
    """What an unsubscribe link ends: one purpose on one channel for one client."""

    practice_id: str
    client_id: str
    channel: Channel
    purpose: Purpose


@dataclass(frozen=True)
class ContactUpdate:
    """How to reach a client on a channel; the address is in its one spelling."""

    client_id: str
    channel: Channel
    address: str = field(repr=False)
    name: str = field(repr=False)
    language: str


class ConsentStatement(NamedTuple):
    """A client's word on a channel and purpose, and what proves it (RELIABILITY L1, L10)."""

    client_id: str
    channel: Channel
    purpose: Purpose
    granted: bool
    evidence: str
    text_version: str


class MaskedContact(NamedTuple):
    """A contact point as people may see it: enough to recognise it, too little to use it."""

    client_id: str
    channel: Channel
    address: str
    language: str


class CurrentConsent(NamedTuple):
    """The last word on a channel and purpose; `statements` counts all that were ever given."""

    statement: ConsentStatement
    stated_at: datetime
    statements: int


class Preferences(NamedTuple):
    """All that outreach keeps of a client's wishes."""

    contacts: list[MaskedContact]
    consents: list[CurrentConsent]


def masked(channel: Channel, address: str) -> str:
    """An address that people recognise and cannot use: `***1234`, `***@example.com`."""
    if channel is Channel.EMAIL:
        return f"***@{address.rpartition('@')[2]}"
    return f"***{address[-4:]}"
