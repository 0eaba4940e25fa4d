"""What each adapter of outreach's contacts, consents and playbooks must do."""

from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from outreach_service.domain.consents import ConsentStatement, CurrentConsent, Recording
from outreach_service.domain.contact_points import Point
from outreach_service.domain.permissions import last_statements
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import record_statements
from outreach_service.ports.contacts import SealedContact, StoredContact
from outreach_service.ports.records import ActivitySeen, ContactKey, Share
from outreach_service.ports.store import Store, Stores
from tests.support.generators.outreach_values import a_play_document
from tests.support.memory.harbour import (
    ADA,
    DAY,
    HOUR,
    NOON,
    PHONE,
    PRACTICE,
    Harbour,
    StoreAdapter,
    a_message,
)

SECOND = timedelta(seconds=1)
ELSEWHERE = "lakeside"
KEY = "0a1b2c3d4e5f6071"
EMAIL = ContactKey(PRACTICE, ADA, Channel.EMAIL)
DOCUMENT = {"key": "own", "plays": [a_play_document()]}


def sealed(client: str = ADA, channel: Channel = Channel.SMS, address: str = "s1") -> SealedContact:
    return SealedContact(client, channel, address, "sealed name", "en", f"index of {address}")


def stated(
    statement_id: str, at: datetime = NOON, *, granted: bool, purpose: Purpose = Purpose.CARE
) -> ConsentStatement:
    return ConsentStatement(
        statement_id, at, ADA, Channel.SMS, purpose, granted, evidence="form", text_version="1"
    )


def recorded(at: datetime) -> Recording:
    return Recording(at, KEY)


def current(store: Store) -> list[CurrentConsent]:
    """Ada's last statements."""
    return last_statements(store.consents.statements(PRACTICE, [ADA]).get(ADA, []))


def last(store: Store) -> ConsentStatement | None:
    """What holds of Ada's statements on care by SMS."""
    found = [
        each.statement
        for each in current(store)
        if (each.statement.channel, each.statement.purpose) == (Channel.SMS, Purpose.CARE)
    ]
    assert len(found) <= 1
    return found[0] if found else None


class Failure(Exception):
    """What a use case raises in the middle of a transaction."""


class PreferencesSuite:
    """`Contacts`, `Consents`, `Playbooks`: what is written is read, by its own practice alone."""

    @pytest.fixture
    def stores(self, adapter: StoreAdapter) -> Stores:
        """The API's."""
        Harbour(adapter)
        return adapter.api_stores

    def test_contacts_are_saved_and_shown_by_channel(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [sealed(), sealed(channel=Channel.EMAIL), sealed("ben")])
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA, NOON) == [
                StoredContact(EMAIL, "s1", "en"),
                StoredContact(PHONE, "s1", "en"),
            ]

    def test_a_saved_contact_replaces_the_one_before(self, stores: Stores) -> None:
        for address in ("s1", "s2"):
            with stores.open(PRACTICE) as store:
                store.contacts.save(PRACTICE, [sealed(address=address)])
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA, NOON) == [
                StoredContact(PHONE, "s2", "en")
            ]

    def test_a_contact_keeps_the_clients_zone_until_the_next(self, stores: Stores) -> None:
        for zone in ("Europe/London", None):
            with stores.open(PRACTICE) as store:
                store.contacts.save(PRACTICE, [sealed()._replace(zone=zone)])
            with stores.open(PRACTICE) as store:
                (found,) = store.contacts.of_client(PRACTICE, ADA, NOON)
            assert found.zone == zone

    def test_a_contact_is_removed_once(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [sealed(), sealed(channel=Channel.EMAIL)])
        with stores.open(PRACTICE) as store:
            assert store.contacts.remove(PHONE) is True
            assert store.contacts.remove(PHONE) is False
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA, NOON) == [
                StoredContact(EMAIL, "s1", "en")
            ]

    def test_points_and_statements_are_read_as_they_were_added(self, stores: Stores) -> None:
        points = [
            Point(NOON, "one", is_dated=False),
            Point(NOON + HOUR, "two", is_dated=True, said_from=NOON + DAY),
            Point(NOON + DAY, None, is_dated=True),
        ]
        click = stated("s1", granted=False)._replace(contact_index="where the mail went")
        with stores.open(PRACTICE) as store:
            store.contacts.add_points([(EMAIL, each) for each in reversed(points)])
            store.consents.append(PRACTICE, [click], recorded(NOON))
        with stores.open(PRACTICE) as store:
            assert store.contacts.points(PRACTICE, [ADA]) == {EMAIL: points}
            assert last(store) == click

    def test_another_practice_neither_sees_nor_removes_a_contact(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [sealed()])
        with stores.open(ELSEWHERE) as store:
            assert store.contacts.of_client(PRACTICE, ADA, NOON) == []
            assert store.contacts.remove(PHONE) is False
        with stores.open(PRACTICE) as store:
            assert len(store.contacts.of_client(PRACTICE, ADA, NOON)) == 1

    def test_the_statement_that_was_made_last_holds(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            assert last(store) is None
            for number, granted in enumerate((True, False, True)):
                at = NOON + number * HOUR
                statement = stated(f"s{number}", at, granted=granted)
                store.consents.append(PRACTICE, [statement], recorded(at))
                assert last(store) == statement

    def test_a_statement_that_is_told_late_does_not_hold(self, stores: Stores) -> None:
        later, earlier = stated("s1", granted=False), stated("s2", NOON - HOUR, granted=True)
        with stores.open(PRACTICE) as store:
            for statement in (later, earlier):
                store.consents.append(PRACTICE, [statement], recorded(NOON))
        with stores.open(PRACTICE) as store:
            (now,) = current(store)
            assert (now.statement, now.statements) == (later, 2)

    @pytest.mark.parametrize("order", [(True, False), (False, True)])
    def test_of_two_statements_made_at_once_the_withdrawal_holds(
        self, stores: Stores, order: tuple[bool, bool]
    ) -> None:
        statements = [stated(f"s{number}", granted=each) for number, each in enumerate(order)]
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, statements, recorded(NOON))
        with stores.open(PRACTICE) as store:
            (now,) = current(store)
            assert now.statement.granted is False

    @pytest.mark.parametrize(
        ("withdrawn_at", "is_granted"), [(NOON + HOUR, True), (NOON + 2 * HOUR, False)]
    )
    def test_a_consent_that_is_dated_ahead_counts_from_when_it_was_recorded(
        self, stores: Stores, adapter: StoreAdapter, withdrawn_at: datetime, *, is_granted: bool
    ) -> None:
        with adapter.stores.open() as store:
            store.queue.add([a_message()])
        adapter.put_contact(PHONE, "phone-1")
        with stores.open(PRACTICE) as store:
            ahead = stated("s1", NOON + 8 * HOUR, granted=True)
            record_statements(store, PRACTICE, [ahead], recorded(NOON + 2 * HOUR - SECOND))
            withdrawal = stated("s2", withdrawn_at, granted=False)
            record_statements(store, PRACTICE, [withdrawal], recorded(NOON + 2 * HOUR))
        self._holds(adapter, ahead if is_granted else withdrawal)

    def test_a_withdrawal_that_is_dated_ahead_counts_from_then(
        self, stores: Stores, adapter: StoreAdapter
    ) -> None:
        with adapter.stores.open() as store:
            store.queue.add([a_message()])
        adapter.put_contact(PHONE, "phone-1")
        with stores.open(PRACTICE) as store:
            ahead = stated("s1", NOON + 2 * DAY, granted=False)
            record_statements(store, PRACTICE, [ahead], recorded(NOON))
            later = stated("s2", NOON + HOUR, granted=True)
            record_statements(store, PRACTICE, [later], recorded(NOON + HOUR))
        self._holds(adapter, ahead)

    @pytest.mark.parametrize(("granted_at", "is_granted"), [(NOON, False), (NOON + SECOND, True)])
    def test_a_withdrawal_that_is_dated_beyond_belief_counts_from_when_it_was_recorded(
        self, stores: Stores, adapter: StoreAdapter, granted_at: datetime, *, is_granted: bool
    ) -> None:
        with adapter.stores.open() as store:
            store.queue.add([a_message()])
        adapter.put_contact(PHONE, "phone-1")
        with stores.open(PRACTICE) as store:
            beyond = stated("s1", NOON + 2 * DAY + SECOND, granted=False)
            record_statements(store, PRACTICE, [beyond], recorded(NOON))
            granted = stated("s2", granted_at, granted=True)
            record_statements(store, PRACTICE, [granted], recorded(NOON + HOUR))
        self._holds(adapter, granted if is_granted else beyond)

    def _holds(self, adapter: StoreAdapter, statement: ConsentStatement) -> None:
        """The statement is shown, and heard where messages are claimed and previewed."""
        with adapter.api_stores.open(PRACTICE) as store:
            assert last(store) == statement
            point = store.messages.contact_points(PRACTICE, ADA, "care")[Channel.SMS]
        assert point.consented is statement.granted
        with adapter.stores.open() as store:
            (due,) = store.queue.lock_due(NOON, Share(None, 1))
            situation = store.clients.lock_situations([due], NOON, NOON)[due.message_id]
        heard = (Channel.SMS, Purpose.CARE) in situation.consents
        assert heard is statement.granted

    def test_statements_on_another_purpose_do_not_count(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            care = stated("s1", granted=True)
            store.consents.append(PRACTICE, [care], recorded(NOON))
            marketing = stated("s2", granted=False, purpose=Purpose.MARKETING)
            store.consents.append(PRACTICE, [marketing], recorded(NOON))
            assert last(store) == care

    def test_a_statement_that_is_told_again_is_not_added_again(self, stores: Stores) -> None:
        statement = stated("s1", granted=True)
        other = stated("s1", NOON + HOUR, granted=False)
        added = False
        for given in ([statement], [statement, statement], [other]):
            with stores.open(PRACTICE) as store:
                appended = store.consents.append(PRACTICE, given, recorded(NOON + HOUR))
            assert appended == ({"s1": statement}, set() if added else {ADA})
            added = True
        with stores.open(PRACTICE) as store:
            (now,) = current(store)
        assert (now.statement, now.statements) == (statement, 1)

    def test_each_practice_names_its_statements_for_itself(self, stores: Stores) -> None:
        here, there = stated("s1", granted=True), stated("s1", granted=False)
        with stores.open(PRACTICE) as store:
            assert store.consents.append(PRACTICE, [here], recorded(NOON)).kept == {"s1": here}
        with stores.open(ELSEWHERE) as store:
            assert store.consents.append(ELSEWHERE, [there], recorded(NOON)).kept == {"s1": there}
            assert store.consents.append(ELSEWHERE, [], recorded(NOON)) == ({}, set())

    def test_current_consents_are_the_last_of_each_channel_and_purpose(
        self, stores: Stores
    ) -> None:
        marketing = stated("s1", granted=True, purpose=Purpose.MARKETING)
        withdrawn = stated("s3", granted=False)
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [marketing, stated("s2", granted=True)], recorded(NOON))
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [withdrawn], recorded(NOON + HOUR))
            assert current(store) == [
                CurrentConsent(withdrawn, NOON + HOUR, KEY, statements=2),
                CurrentConsent(marketing, NOON, KEY, statements=1),
            ]

    def test_another_practice_sees_no_consent(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [stated("s1", granted=True)], recorded(NOON))
        with stores.open(ELSEWHERE) as store:
            assert last(store) is None
            assert current(store) == []

    def test_a_client_with_an_activity_is_known_to_its_practice(
        self, stores: Stores, adapter: StoreAdapter
    ) -> None:
        with adapter.stores.open() as store:
            store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, NOON)])
        with stores.open(PRACTICE) as store:
            assert store.clients.is_known(PRACTICE, ADA) is True
            assert store.clients.is_known(PRACTICE, "ben") is False
        with stores.open(ELSEWHERE) as store:
            assert store.clients.is_known(PRACTICE, ADA) is False

    def test_a_playbook_counts_its_versions(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            assert store.playbooks.find(PRACTICE) is None
            first = store.playbooks.save(PRACTICE, DOCUMENT)
        with stores.open(PRACTICE) as store:
            second = store.playbooks.save(PRACTICE, {**DOCUMENT, "key": "other"})
        with stores.open(PRACTICE) as store:
            assert store.playbooks.find(PRACTICE) == second
        assert (first.version, first.body) == (1, DOCUMENT)
        assert (second.version, second.body["key"]) == (2, "other")
        assert second.updated_at is not None

    def test_another_practice_sees_no_playbook(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.playbooks.save(PRACTICE, DOCUMENT)
        with stores.open(ELSEWHERE) as store:
            assert store.playbooks.find(PRACTICE) is None

    def test_a_transaction_that_fails_leaves_nothing(self, stores: Stores) -> None:
        with suppress(Failure), stores.open(PRACTICE) as store:
            store.lock_clients(PRACTICE, [ADA])
            store.contacts.save(PRACTICE, [sealed()])
            store.consents.append(PRACTICE, [stated("s1", granted=True)], recorded(NOON))
            store.playbooks.save(PRACTICE, DOCUMENT)
            raise Failure
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA, NOON) == []
            assert current(store) == []
            assert store.playbooks.find(PRACTICE) is None
