"""What each adapter of outreach's contacts, consents and playbooks must do."""

from contextlib import suppress
from datetime import datetime

import pytest

from outreach_service.domain.consents import ConsentStatement, CurrentConsent, Subscription
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import ActivitySeen, ContactKey, SealedContact, StoredContact
from outreach_service.ports.store import Stores
from tests.support.generators.outreach_values import a_play_document
from tests.support.memory.harbour import ADA, HOUR, NOON, PHONE, PRACTICE, Harbour, StoreAdapter

ELSEWHERE = "lakeside"
EMAIL = ContactKey(PRACTICE, ADA, Channel.EMAIL)
CARE_BY_SMS = Subscription(PRACTICE, ADA, Channel.SMS, Purpose.CARE)
DOCUMENT = {"key": "own", "plays": [a_play_document()]}


def sealed(client: str = ADA, channel: Channel = Channel.SMS, address: str = "s1") -> SealedContact:
    return SealedContact(client, channel, address, "sealed name", "en", f"index of {address}")


def stated(
    statement_id: str, at: datetime = NOON, *, granted: bool, purpose: Purpose = Purpose.CARE
) -> ConsentStatement:
    return ConsentStatement(
        statement_id, at, ADA, Channel.SMS, purpose, granted, evidence="form", text_version="1"
    )


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
            assert store.contacts.of_client(PRACTICE, ADA) == [
                StoredContact(EMAIL, "s1", "en"),
                StoredContact(PHONE, "s1", "en"),
            ]

    def test_a_saved_contact_replaces_the_one_before(self, stores: Stores) -> None:
        for address in ("s1", "s2"):
            with stores.open(PRACTICE) as store:
                store.contacts.save(PRACTICE, [sealed(address=address)])
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA) == [StoredContact(PHONE, "s2", "en")]

    def test_a_contact_is_removed_once(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [sealed(), sealed(channel=Channel.EMAIL)])
        with stores.open(PRACTICE) as store:
            assert store.contacts.remove(PHONE) is True
            assert store.contacts.remove(PHONE) is False
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA) == [StoredContact(EMAIL, "s1", "en")]

    def test_another_practice_neither_sees_nor_removes_a_contact(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.contacts.save(PRACTICE, [sealed()])
        with stores.open(ELSEWHERE) as store:
            assert store.contacts.of_client(PRACTICE, ADA) == []
            assert store.contacts.remove(PHONE) is False
        with stores.open(PRACTICE) as store:
            assert len(store.contacts.of_client(PRACTICE, ADA)) == 1

    def test_the_statement_that_was_made_last_holds(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            assert store.consents.last(CARE_BY_SMS) is None
            for number, granted in enumerate((True, False, True)):
                statement = stated(f"s{number}", NOON + number * HOUR, granted=granted)
                store.consents.append(PRACTICE, [statement], NOON)
                assert store.consents.last(CARE_BY_SMS) == statement

    def test_a_statement_that_is_told_late_does_not_hold(self, stores: Stores) -> None:
        later, earlier = stated("s1", granted=False), stated("s2", NOON - HOUR, granted=True)
        with stores.open(PRACTICE) as store:
            for statement in (later, earlier):
                store.consents.append(PRACTICE, [statement], NOON)
        with stores.open(PRACTICE) as store:
            assert store.consents.last(CARE_BY_SMS) == later
            (current,) = store.consents.current(PRACTICE, ADA)
            assert (current.statement, current.statements) == (later, 2)

    @pytest.mark.parametrize("order", [(True, False), (False, True)])
    def test_of_two_statements_made_at_once_the_withdrawal_holds(
        self, stores: Stores, order: tuple[bool, bool]
    ) -> None:
        statements = [stated(f"s{number}", granted=each) for number, each in enumerate(order)]
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, statements, NOON)
        with stores.open(PRACTICE) as store:
            last = store.consents.last(CARE_BY_SMS)
            assert last is not None
            assert last.granted is False
            (current,) = store.consents.current(PRACTICE, ADA)
            assert current.statement == last

    def test_statements_on_another_purpose_do_not_count(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            care = stated("s1", granted=True)
            store.consents.append(PRACTICE, [care], NOON)
            marketing = stated("s2", granted=False, purpose=Purpose.MARKETING)
            store.consents.append(PRACTICE, [marketing], NOON)
            assert store.consents.last(CARE_BY_SMS) == care

    def test_a_statement_that_is_told_again_is_not_added_again(self, stores: Stores) -> None:
        statement = stated("s1", granted=True)
        other = stated("s1", NOON + HOUR, granted=False)
        for given in ([statement], [statement, statement], [other]):
            with stores.open(PRACTICE) as store:
                kept = store.consents.append(PRACTICE, given, NOON + HOUR)
            assert kept == {"s1": statement}
        with stores.open(PRACTICE) as store:
            (current,) = store.consents.current(PRACTICE, ADA)
        assert (current.statement, current.statements) == (statement, 1)

    def test_each_practice_names_its_statements_for_itself(self, stores: Stores) -> None:
        here, there = stated("s1", granted=True), stated("s1", granted=False)
        with stores.open(PRACTICE) as store:
            assert store.consents.append(PRACTICE, [here], NOON) == {"s1": here}
        with stores.open(ELSEWHERE) as store:
            assert store.consents.append(ELSEWHERE, [there], NOON) == {"s1": there}
            assert store.consents.append(ELSEWHERE, [], NOON) == {}

    def test_current_consents_are_the_last_of_each_channel_and_purpose(
        self, stores: Stores
    ) -> None:
        marketing = stated("s1", granted=True, purpose=Purpose.MARKETING)
        last = stated("s3", granted=False)
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [marketing, stated("s2", granted=True)], NOON)
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [last], NOON + HOUR)
            assert store.consents.current(PRACTICE, ADA) == [
                CurrentConsent(last, NOON + HOUR, statements=2),
                CurrentConsent(marketing, NOON, statements=1),
            ]

    def test_another_practice_sees_no_consent(self, stores: Stores) -> None:
        with stores.open(PRACTICE) as store:
            store.consents.append(PRACTICE, [stated("s1", granted=True)], NOON)
        with stores.open(ELSEWHERE) as store:
            assert store.consents.last(CARE_BY_SMS) is None
            assert store.consents.current(PRACTICE, ADA) == []

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
            store.consents.append(PRACTICE, [stated("s1", granted=True)], NOON)
            store.playbooks.save(PRACTICE, DOCUMENT)
            raise Failure
        with stores.open(PRACTICE) as store:
            assert store.contacts.of_client(PRACTICE, ADA) == []
            assert store.consents.current(PRACTICE, ADA) == []
            assert store.playbooks.find(PRACTICE) is None
