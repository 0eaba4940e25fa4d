"""Save how a client may be reached and for what, end it by a link, and show it.

Every write locks its clients first, as a claim of messages does: a claim that comes after the
commit of a withdrawal reads the withdrawal (L1, R25).
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from outreach_service.domain.consents import (
    AHEAD,
    Appended,
    ConsentStatement,
    ContactUpdate,
    CurrentConsent,
    MaskedContact,
    Preferences,
    RecordedStatement,
    Recording,
    Refused,
    SavedContact,
    Subscription,
    WayOut,
    masked,
)
from outreach_service.domain.contact_points import Point, tell
from outreach_service.domain.permissions import ClientWord, client_word, last_statements
from outreach_service.domain.terms import Channel
from outreach_service.ports import NoBusinessTime, UnreadableContact
from outreach_service.ports.contacts import PracticeHome, SealedContact, StoredContact
from outreach_service.ports.reads import Caller, PersonalData
from outreach_service.ports.records import ContactKey
from outreach_service.ports.store import ContactCipher, Store, Stores

ONE_CLICK: Final = "one-click"
"""Who recorded a withdrawal by link, its evidence, and the version of its text."""

UNREADABLE: Final = "***"
"""Shown for an address whose key is gone."""


def practice_home(stores: Stores, practice_id: str) -> PracticeHome | None:
    """Where a practice is, for reading its phone numbers; None while outreach does not know it."""
    with stores.open(practice_id) as store:
        return store.contacts.home(practice_id)


def save_contacts(
    stores: Stores, cipher: ContactCipher, practice_id: str, updates: Sequence[ContactUpdate]
) -> list[SavedContact | Refused]:
    """Save which contact points clients have, and since when; of several for one client and channel
    without a time the last one holds.

    The one that is theirs last by its time is where messages go; an earlier one only tells for
    which point a consent was given. Returns what became of each update, or why it was refused: like
    a consent it may not be dated beyond `AHEAD`. Raises NoBusinessTime for one that is dated.
    """
    sealed = [cipher.seal(practice_id, each) for each in updates]
    keys = [ContactKey(practice_id, each.client_id, each.channel) for each in updates]
    clients = sorted({each.client_id for each in updates})
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, clients)
        now = store.business_time()
        timely = [_is_timely(each.valid_from, now) for each in updates]
        points = {**store.contacts.points(practice_id, clients)}
        added: list[tuple[ContactKey, Point]] = []
        current: dict[ContactKey, SealedContact] = {}
        for place in _in_turn(updates):
            if timely[place]:
                key, theirs = keys[place], points.setdefault(keys[place], [])
                new = tell(theirs, sealed[place].blind_index, updates[place].valid_from, now)
                added += [] if new is None else [(key, new)]
                if theirs[-1].blind_index == sealed[place].blind_index:
                    current[key] = sealed[place]
        store.contacts.save(practice_id, list(current.values()))
        _add_points(store, added)
    return [
        SavedContact(_shown(update), points[key][-1].blind_index == each.blind_index)
        if is_timely
        else Refused.IN_THE_FUTURE
        for update, key, each, is_timely in zip(updates, keys, sealed, timely, strict=True)
    ]


def _is_timely(valid_from: datetime | None, now: datetime | None) -> bool:
    """Whether a contact point is not dated too far ahead. Raises NoBusinessTime."""
    if valid_from is None:
        return True
    if now is None:
        raise NoBusinessTime
    return valid_from <= now + AHEAD


def _in_turn(updates: Sequence[ContactUpdate]) -> list[int]:
    """The places of those with a time by it, then of the last without one of each client and
    channel."""
    dated = sorted((each.valid_from, n) for n, each in enumerate(updates) if each.valid_from)
    undated = {
        (each.client_id, each.channel): n
        for n, each in enumerate(updates)
        if each.valid_from is None
    }
    return [*(place for _, place in dated), *undated.values()]


def _shown(update: ContactUpdate) -> MaskedContact:
    shown = masked(update.channel, update.address)
    return MaskedContact(update.client_id, update.channel, shown, update.language, zone=update.zone)


def remove_contact(stores: Stores, key: ContactKey) -> bool:
    """Delete a contact point; False when there is none. Which point it was is still known, without
    the address, for the consents and opt-outs of then."""
    with stores.open(key.practice_id) as store:
        store.lock_clients(key.practice_id, [key.client_id])
        if not store.contacts.remove(key):
            return False
        points = {**store.contacts.points(key.practice_id, [key.client_id])}.setdefault(key, [])
        gone = tell(points, None, None, store.business_time())
        _add_points(store, [] if gone is None else [(key, gone)])
    return True


def save_consents(
    stores: Stores, practice_id: str, statements: Sequence[ConsentStatement], recorded_by: str
) -> Mapping[int, Refused]:
    """Append statements that a key's holder tells, in this order; returns why some were refused,
    by their places.

    One that was there already changes nothing, and is not refused. A withdrawal is not refused for
    its time, however far it lies ahead. Raises NoBusinessTime.
    """
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [each.client_id for each in statements])
        now = _business_time(store)
        timely = [each for each in statements if not each.granted or each.stated_at <= now + AHEAD]
        appended = record_statements(store, practice_id, timely, Recording(now, recorded_by))
    reasons = enumerate(_why_refused(each, appended.kept) for each in statements)
    return {place: reason for place, reason in reasons if reason is not None}


def record_statements(
    store: Store, practice_id: str, statements: Sequence[ConsentStatement], recording: Recording
) -> Appended:
    """Append statements whose clients are locked, and work out anew what they come to."""
    appended = store.consents.append(practice_id, statements, recording)
    derive_client_words(store, practice_id, appended.clients)
    return appended


def withdraw_by_link(stores: Stores, way_out: WayOut) -> None:
    """Append the withdrawal of a subscription, made where the link's message had gone, unless one
    holds there that counts from now or later.

    A withdrawal that holds from earlier is not enough: a consent that was given in between may
    still come, and the last word was no. Raises NoBusinessTime, but not where a withdrawal holds.
    """
    practice_id, client_id, channel, purpose = way_out.subscription
    with stores.open(practice_id) as store:
        store.lock_clients(practice_id, [client_id])
        stated = _statements(store, practice_id, client_id)
        last = _last(stated, way_out.subscription)
        withdrawn_at = _withdrawn_at(store, way_out, stated)
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
            contact_index=way_out.contact_index,
        )
        record_statements(store, practice_id, [withdrawal], Recording(now, ONE_CLICK))


def view_preferences(
    stores: Stores, cipher: ContactCipher, caller: Caller, client_id: str
) -> Preferences | None:
    """A client's contact points, masked, and current consents; None for an unknown client.

    Who got them is recorded (S16).
    """
    practice_id = caller.practice_id
    with stores.open(practice_id) as store:
        contacts = store.contacts.of_client(practice_id, client_id, store.business_time())
        consents = last_statements(_statements(store, practice_id, client_id))
        if not store.clients.is_known(practice_id, client_id):
            return None
        client = (practice_id, client_id)
        holds = store.clients.reachable([client]).get(client, ())
        store.reads.record(caller, client_id, PersonalData.PREFERENCES)
    return Preferences(
        [_masked(cipher, each) for each in contacts],
        [
            each._replace(applies=(each.statement.channel, each.statement.purpose) in holds)
            for each in consents
        ],
    )


def _add_points(store: Store, added: Sequence[tuple[ContactKey, Point]]) -> None:
    """Insert points, and work out anew what their clients have stated."""
    if added:
        store.contacts.add_points(added)
        derive_client_words(store, added[0][0].practice_id, {key.client_id for key, _ in added})


def derive_client_words(store: Store, practice_id: str, client_ids: Collection[str]) -> None:
    """Work out anew what these clients' statements come to; their locks are held."""
    stated = store.consents.statements(practice_id, client_ids) if client_ids else {}
    if not stated:
        return
    words = _words(store, practice_id, stated)
    store.consents.save_client_words(practice_id, words)


def _words(
    store: Store, practice_id: str, stated: Mapping[str, Sequence[RecordedStatement]]
) -> Mapping[str, ClientWord]:
    points: dict[str, dict[Channel, list[Point]]] = {each: {} for each in stated}
    for key, history in store.contacts.points(practice_id, list(stated)).items():
        points[key.client_id][key.channel] = history
    return {client: client_word(points[client], each) for client, each in stated.items()}


def _statements(store: Store, practice_id: str, client_id: str) -> list[RecordedStatement]:
    return store.consents.statements(practice_id, [client_id]).get(client_id, [])


def _last(
    statements: Sequence[RecordedStatement], subscription: Subscription
) -> CurrentConsent | None:
    for each in last_statements(statements):
        if (each.statement.channel, each.statement.purpose) == subscription[2:]:
            return each
    return None


def _withdrawn_at(
    store: Store, way_out: WayOut, statements: Sequence[RecordedStatement]
) -> datetime | None:
    """Since when the subscription's last word is no where the link's message had gone; None when
    it is yes, and when nobody has opted out there."""
    last = _last(statements, way_out.subscription)
    if last is None or last.statement.granted:
        return None
    if way_out.contact_index is None:
        return last.counts_at
    practice_id, client_id, _, purpose = way_out.subscription
    word = _words(store, practice_id, {client_id: statements})[client_id]
    there = (way_out.contact_index, purpose)
    return max((each.at for each in word.opt_outs if each[:2] == there), default=None)


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
    return MaskedContact(
        key.client_id, key.channel, shown, contact.language, contact.rest, contact.zone
    )
