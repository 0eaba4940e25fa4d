"""What the port says of contact points and of where a practice is, with which they are read."""

from typing import NamedTuple

from outreach_service.domain.gates import Rest
from outreach_service.domain.terms import Channel
from outreach_service.ports.records import ContactKey


class PracticeHome(NamedTuple):
    """Where a practice is: its region (ISO 3166-1), if it has named one, and its zone."""

    region: str | None
    zone: str


class SealedContact(NamedTuple):
    """A contact point to be saved; address and name are sealed, and `blind_index` is equal for
    equal addresses of a practice."""

    client_id: str
    channel: Channel
    address: str
    name: str
    language: str
    blind_index: str
    zone: str | None = None


class StoredContact(NamedTuple):
    """A contact point as its row keeps it; with `rest` nothing goes there."""

    key: ContactKey
    sealed_address: str
    language: str
    rest: Rest | None = None
    zone: str | None = None


class ContactPoint(NamedTuple):
    """A contact point by which a text could go; the name is sealed."""

    sealed_name: str
    language: str
    consented: bool
