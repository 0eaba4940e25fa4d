"""Save how a client may be reached and for what, end it by a link, and show it.

Every write locks its clients first, as a claim of messages does: a claim that comes after the
commit of a withdrawal reads the withdrawal (L1, R25).
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from outreach_service.domain.consents import (
    AHEAD,
    ConsentStatement,
    ContactUpdate,
    CurrentConsent,
    MaskedContact,
    Preferences,
    Refused,
    Subscription,
    masked,
)
from outreach_service.ports import NoBusinessTime, UnreadableContact
from outreach_service.ports.records import ContactKey, PracticeHome, StoredContact
from outreach_service.ports.store import ContactCipher, Store, Stores

ONE_CLICK: Final = "one-click"
"""The evidence, and the version of the text, of a withdrawal by link."""

UNREADABLE: Final = "***"
"""Shown for an address whose key is gone."""


def practice_home(stores: Stores, practice_id: str) -> PracticeHome | None:
    """Where a practice is, for reading its phone numbers; None while outreach does not know it."""
    with stores.open(practice_id) as store:
        return store.contacts.home(practice_id)


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
) -> Mapping[int, Refused]:
    """Append statements, in this order; returns why some were refused, by their places.

    One that was there already changes nothing, and is not refused. A withdrawal is not refused for
    its time, however far it lies ahead. Raises NoBusinessTime.
    """
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [each.client_id for each in statements])
        now = _business_time(store)
        timely = [each for each in statements if not each.granted or each.stated_at <= now + AHEAD]
        kept = store.consents.append(practice_id, timely, now)
    reasons = enumerate(_why_refused(each, kept) for each in statements)
    return {place: reason for place, reason in reasons if reason is not None}


def withdraw_by_link(stores: Stores, subscription: Subscription) -> None:
    """Append the withdrawal of a subscription, unless one holds that counts from now or later.

    A withdrawal that holds from earlier is not enough: a consent that was given in between may
    still come, and the last word was no. Raises NoBusinessTime, but not where a withdrawal holds.
    """
    practice_id, client_id, channel, purpose = subscription
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [client_id])
        last = _last(store, subscription)
        withdrawn_at = None if last is None or last.statement.granted else last.counts_at
        now = store.business_time()
        if withdrawn_at is not None and (now is None or withdrawn_at >= now):
            return
        if now is None:
            raise NoBusinessTime
        withdrawal = ConsentStatement(
            id=f"{ONE_CLICK}:{uuid.uuid4().hex}",
            stated_at=now if last is None else max(now, last.counts_at),
            client_id=client_id,
            channel=channel,
            purpose=purpose,
            granted=False,
            evidence=ONE_CLICK,
            text_version=ONE_CLICK,
        )
        store.consents.append(practice_id, [withdrawal], now)


def view_preferences(
    stores: Stores, cipher: ContactCipher, practice_id: str, client_id: str
) -> Preferences | None:
    """A client's contact points, masked, and current consents; None for an unknown client."""
    with stores.open(practice_id) as store:
        contacts = store.contacts.of_client(practice_id, client_id, store.business_time())
        consents = store.consents.current(practice_id, client_id)
        if not (contacts or consents or store.clients.is_known(practice_id, client_id)):
            return None
    return Preferences([_masked(cipher, each) for each in contacts], consents)


def _last(store: Store, subscription: Subscription) -> CurrentConsent | None:
    practice_id, client_id, *wanted = subscription
    for each in store.consents.current(practice_id, client_id):
        if [each.statement.channel, each.statement.purpose] == wanted:
            return each
    return None


def _business_time(store: Store) -> datetime:
    now = store.business_time()
    if now is None:
        raise NoBusinessTime
    return now


def _why_refused(
    statement: ConsentStatement, kept: Mapping[str, ConsentStatement]
) -> Refused | None:
    stored = kept.get(statement.id)
    if stored is None:
        return Refused.IN_THE_FUTURE
    return None if stored == statement else Refused.OTHER_CONTENT


def _masked(cipher: ContactCipher, contact: StoredContact) -> MaskedContact:
    key = contact.key
    try:
        shown = masked(key.channel, cipher.address(key, contact.sealed_address))
    except UnreadableContact:
        shown = UNREADABLE
    return MaskedContact(key.client_id, key.channel, shown, contact.language, contact.rest)
