"""How a client may be reached, and for what: contacts, consents, withdrawals."""

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
    """A client's consent to a channel and purpose, or its withdrawal, with the proof (L1, L10)."""

    client_id: str
    channel: Channel
    purpose: Purpose
    granted: bool
    evidence: str
    text_version: str


class MaskedContact(NamedTuple):
    """A contact point with its address masked."""

    client_id: str
    channel: Channel
    address: str
    language: str


class CurrentConsent(NamedTuple):
    """The last statement on a channel and purpose; `statements` counts all that were ever made."""

    statement: ConsentStatement
    stated_at: datetime
    statements: int


class Preferences(NamedTuple):
    """A client's contact points and consents."""

    contacts: list[MaskedContact]
    consents: list[CurrentConsent]


def masked(channel: Channel, address: str) -> str:
    """An address that people can recognise but not use: `***1234`, `***@example.com`."""
    if channel is Channel.EMAIL:
        return f"***@{address.rpartition('@')[2]}"
    return f"***{address[-4:]}"
