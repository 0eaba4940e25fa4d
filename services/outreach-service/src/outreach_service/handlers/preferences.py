"""Save how a client may be reached and for what, end it by a link, and show it.

Every write locks its clients first, as a claim of messages does: a claim that comes after the
commit of a withdrawal reads the withdrawal (L1, R25).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    MaskedContact,
    Preferences,
    Subscription,
    masked,
)
from outreach_service.ports import NoBusinessTime, UnreadableContact
from outreach_service.ports.records import ContactKey, StoredContact
from outreach_service.ports.store import ContactCipher, Store, Stores

ONE_CLICK: Final = "one-click"
"""The evidence, and the version of the text, of a withdrawal by link."""

UNREADABLE: Final = "***"
"""Shown for an address whose key is gone."""


def save_contacts(
    stores: Stores, cipher: ContactCipher, practice_id: str, updates: Sequence[ContactUpdate]
) -> list[MaskedContact]:
    """Set contact points; of several for one client and channel the last one holds.

    Returns the contact point of each update, masked.
    """
    last = {(each.client_id, each.channel): each for each in updates}.values()
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [each.client_id for each in last])
        store.contacts.save(practice_id, [cipher.seal(practice_id, each) for each in last])
    return [
        MaskedContact(
            each.client_id, each.channel, masked(each.channel, each.address), each.language
        )
        for each in updates
    ]


def remove_contact(stores: Stores, key: ContactKey) -> bool:
    """Delete a contact point; False when there is none."""
    with stores.open(key.practice_id) as store:
        store.lock_clients(key.practice_id, [key.client_id])
        return store.contacts.remove(key)


def save_consents(
    stores: Stores, practice_id: str, statements: Sequence[ConsentStatement]
) -> datetime:
    """Append statements, in this order; returns the business time that they are stamped with.

    Raises NoBusinessTime.
    """
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [each.client_id for each in statements])
        return _append(store, practice_id, statements)


def withdraw_by_link(stores: Stores, subscription: Subscription) -> None:
    """Append the withdrawal of a subscription; does nothing when its last statement is one.

    Raises NoBusinessTime.
    """
    practice_id, client_id, channel, purpose = subscription
    withdrawal = ConsentStatement(
        client_id, channel, purpose, granted=False, evidence=ONE_CLICK, text_version=ONE_CLICK
    )
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [client_id])
        if store.consents.last(subscription) is not False:
            _append(store, practice_id, [withdrawal])


def view_preferences(
    stores: Stores, cipher: ContactCipher, practice_id: str, client_id: str
) -> Preferences | None:
    """A client's contact points, masked, and current consents; None for an unknown client."""
    with stores.open(practice_id) as store:
        contacts = store.contacts.of_client(practice_id, client_id)
        consents = store.consents.current(practice_id, client_id)
        if not (contacts or consents or store.clients.is_known(practice_id, client_id)):
            return None
    return Preferences([_masked(cipher, each) for each in contacts], consents)


def _append(store: Store, practice_id: str, statements: Sequence[ConsentStatement]) -> datetime:
    stated_at = store.business_time()
    if stated_at is None:
        raise NoBusinessTime
    store.consents.append(practice_id, statements, stated_at)
    return stated_at


def _masked(cipher: ContactCipher, contact: StoredContact) -> MaskedContact:
    key = contact.key
    try:
        shown = masked(key.channel, cipher.address(key, contact.sealed_address))
    except UnreadableContact:
        shown = UNREADABLE
    return MaskedContact(key.client_id, key.channel, shown, contact.language)
