"""Contacts and consents: locked before all else, the last one holds, and nobody sees an address."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    CurrentConsent,
    MaskedContact,
    Preferences,
    Refused,
    Subscription,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import (
    remove_contact,
    save_consents,
    save_contacts,
    view_preferences,
)
from outreach_service.ports import NoBusinessTime
from outreach_service.ports.records import ContactKey
from outreach_service.ports.store import Store
from tests.support.doubles.open_cipher import NO_KEY, OpenCipher
from tests.support.memory.outreach import MemoryStores
from tests.support.memory.outreach_rows import Contact, consented
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    BEN,
    CALLER,
    DAY,
    HOUR,
    NOON,
    PHONE,
    PRACTICE,
    MemoryOutreach,
    click,
)

KEY = "0a1b2c3d4e5f6071"
MICROSECOND = timedelta(microseconds=1)
PHONE_OF_ADA = ContactKey(PRACTICE, ADA, Channel.SMS)
CARE_BY_SMS = Subscription(PRACTICE, ADA, Channel.SMS, Purpose.CARE)


def an_update(
    client: str = ADA, channel: Channel = Channel.SMS, address: str = PHONE
) -> ContactUpdate:
    return ContactUpdate(client, channel, address, name="Ada", language="en")


def a_statement(
    statement_id: str = "s1", client: str = ADA, at: datetime = NOON, *, granted: bool
) -> ConsentStatement:
    return ConsentStatement(
        statement_id, at, client, Channel.SMS, Purpose.CARE, granted, "form", "care-1"
    )


def save(outreach: MemoryOutreach, *updates: ContactUpdate) -> Sequence[object]:
    return save_contacts(outreach.stores, OpenCipher(), PRACTICE, updates)


def view(outreach: MemoryOutreach, client: str = ADA) -> Preferences | None:
    return view_preferences(outreach.stores, OpenCipher(), CALLER, client)


def statements(outreach: MemoryOutreach) -> list[ConsentStatement]:
    """All that were appended, in order."""
    return [each.statement for each in outreach.rows.consents]


class TestContacts:
    """`save_contacts` and `remove_contact`."""

    def test_a_contact_is_saved_sealed_with_its_blind_index(self, outreach: MemoryOutreach) -> None:
        save(outreach, an_update())
        assert outreach.rows.contacts == {
            PHONE_OF_ADA: Contact(PHONE, "Ada", "en", f"{PRACTICE}/{PHONE}")
        }

    def test_the_last_of_several_for_one_client_and_channel_holds(
        self, outreach: MemoryOutreach
    ) -> None:
        by_email = an_update(channel=Channel.EMAIL, address="ada@example.com")
        save(outreach, an_update(address="+8613800130001"), by_email, an_update())
        assert {key.channel: row.address for key, row in outreach.rows.contacts.items()} == {
            Channel.SMS: PHONE,
            Channel.EMAIL: "ada@example.com",
        }

    def test_a_contact_replaces_the_one_that_was_there(self, outreach: MemoryOutreach) -> None:
        save(outreach, an_update(address="+8613800130001"))
        save(outreach, an_update())
        assert [row.address for row in outreach.rows.contacts.values()] == [PHONE]

    def test_each_update_is_answered_masked_and_in_turn(self, outreach: MemoryOutreach) -> None:
        by_email = an_update(channel=Channel.EMAIL, address="ada@example.com")
        assert save(outreach, an_update(address="+8613800130001"), by_email, an_update()) == [
            (MaskedContact(ADA, Channel.SMS, "***0001", "en"), False),
            (MaskedContact(ADA, Channel.EMAIL, "***@example.com", "en"), True),
            (MaskedContact(ADA, Channel.SMS, "***8000", "en"), True),
        ]

    def test_a_contact_needs_no_business_time(self, outreach: MemoryOutreach) -> None:
        outreach.stores.business_time = None
        save(outreach, an_update())
        assert PHONE_OF_ADA in outreach.rows.contacts

    def test_a_contact_is_removed_alone_and_once(self, outreach: MemoryOutreach) -> None:
        save(outreach, an_update(), an_update(BEN))
        assert remove_contact(outreach.stores, PHONE_OF_ADA) is True
        assert remove_contact(outreach.stores, PHONE_OF_ADA) is False
        assert [key.client_id for key in outreach.rows.contacts] == [BEN]


class TestConsents:
    """`save_consents`."""

    def test_statements_are_appended_in_order_at_one_business_time(
        self, outreach: MemoryOutreach
    ) -> None:
        given = [
            a_statement(granted=True),
            a_statement("s2", BEN, NOON - DAY, granted=True),
            a_statement("s3", at=NOON + HOUR, granted=False),
        ]
        assert save_consents(outreach.stores, PRACTICE, given, KEY) == {}
        assert statements(outreach) == given
        assert {each.recorded_at for each in outreach.rows.consents} == {NOON}

    def test_a_later_statement_leaves_the_earlier_ones(self, outreach: MemoryOutreach) -> None:
        given = [a_statement(granted=True), a_statement("s2", granted=False)]
        for statement in given:
            save_consents(outreach.stores, PRACTICE, [statement], KEY)
        assert statements(outreach) == given

    def test_a_statement_that_is_told_again_changes_nothing(self, outreach: MemoryOutreach) -> None:
        statement = a_statement(granted=True)
        assert save_consents(outreach.stores, PRACTICE, [statement], KEY) == {}
        outreach.stores.business_time = NOON + 30 * DAY
        assert save_consents(outreach.stores, PRACTICE, [statement, statement], KEY) == {}
        assert statements(outreach) == [statement]

    @pytest.mark.parametrize(
        "changes",
        [
            {"granted": False},
            {"stated_at": NOON - HOUR},
            {"client_id": BEN},
            {"channel": Channel.EMAIL},
            {"purpose": Purpose.SERVICE},
            {"evidence": "phone"},
            {"text_version": "care-2"},
        ],
    )
    def test_another_statement_with_the_same_id_is_refused_alone(
        self, outreach: MemoryOutreach, changes: dict[str, Any]
    ) -> None:
        first, second = a_statement(granted=True), a_statement("s2", granted=False)
        save_consents(outreach.stores, PRACTICE, [first], KEY)
        given = [first._replace(**changes), second]
        refused = save_consents(outreach.stores, PRACTICE, given, KEY)
        assert refused == {0: Refused.OTHER_CONTENT}
        assert statements(outreach) == [first, second]

    def test_a_statement_more_than_two_days_ahead_is_refused_alone(
        self, outreach: MemoryOutreach
    ) -> None:
        latest = a_statement(at=NOON + 2 * DAY, granted=True)
        beyond = a_statement("s2", at=NOON + 2 * DAY + MICROSECOND, granted=True)
        refused = save_consents(outreach.stores, PRACTICE, [beyond, latest], KEY)
        assert refused == {0: Refused.IN_THE_FUTURE}
        assert statements(outreach) == [latest]

    def test_a_withdrawal_is_not_lost_however_far_ahead_it_is_dated(
        self, outreach: MemoryOutreach
    ) -> None:
        granted = a_statement(granted=True)
        beyond = a_statement("s2", at=NOON + 300 * DAY, granted=False)
        for _ in range(2):
            assert save_consents(outreach.stores, PRACTICE, [granted, beyond], KEY) == {}
            assert consented(outreach.rows) == set()
        again = a_statement("s3", at=NOON + HOUR, granted=True)
        outreach.stores.business_time = NOON + DAY
        assert save_consents(outreach.stores, PRACTICE, [again, beyond], KEY) == {}
        assert consented(outreach.rows) == {CARE_BY_SMS}

    def test_a_withdrawal_beats_a_consent_that_a_wrong_clock_dated_ahead(
        self, outreach: MemoryOutreach
    ) -> None:
        ahead = a_statement(at=NOON + 8 * HOUR, granted=True)
        save_consents(outreach.stores, PRACTICE, [ahead], KEY)
        outreach.stores.business_time = NOON + HOUR
        withdrawal = a_statement("s2", at=NOON + HOUR, granted=False)
        save_consents(outreach.stores, PRACTICE, [withdrawal], KEY)
        assert consented(outreach.rows) == set()

    def test_before_business_time_is_known_nothing_is_stated(
        self, outreach: MemoryOutreach
    ) -> None:
        outreach.stores.business_time = None
        with pytest.raises(NoBusinessTime):
            save_consents(outreach.stores, PRACTICE, [a_statement(granted=True)], KEY)
        assert statements(outreach) == []


class TestWithdrawalByLink:
    """`withdraw_by_link`."""

    @pytest.mark.parametrize("before", [[], [a_statement(granted=True)]])
    def test_a_withdrawal_is_appended_when_none_was_stated_last(
        self, outreach: MemoryOutreach, before: list[ConsentStatement]
    ) -> None:
        save_consents(outreach.stores, PRACTICE, before, KEY)
        click(outreach.stores, CARE_BY_SMS)
        *earlier, withdrawal = statements(outreach)
        assert earlier == before
        assert withdrawal == ConsentStatement(
            *(withdrawal.id, NOON, *CARE_BY_SMS[1:]),
            granted=False,
            evidence="one-click",
            text_version="one-click",
        )
        assert outreach.rows.consents[-1].recorded_at == NOON

    def test_each_withdrawal_names_itself(self, outreach: MemoryOutreach) -> None:
        click(outreach.stores, CARE_BY_SMS)
        click(outreach.stores, CARE_BY_SMS._replace(client_id=BEN))
        assert len({each.id for each in statements(outreach)}) == 2

    def test_a_consent_that_bears_a_later_time_is_withdrawn_all_the_same(
        self, outreach: MemoryOutreach
    ) -> None:
        ahead = a_statement(at=NOON + DAY, granted=True)
        save_consents(outreach.stores, PRACTICE, [ahead], KEY)
        click(outreach.stores, CARE_BY_SMS)
        found = view(outreach)
        assert found is not None
        (current,) = found.consents
        assert (current.statement.granted, current.statement.stated_at) == (False, NOON)

    def test_a_click_is_the_last_word_though_a_consent_from_before_it_comes_late(
        self, outreach: MemoryOutreach
    ) -> None:
        earlier = a_statement(at=NOON - 3 * HOUR, granted=False)
        late = a_statement("s2", at=NOON - 2 * HOUR, granted=True)
        save_consents(outreach.stores, PRACTICE, [earlier], KEY)
        click(outreach.stores, CARE_BY_SMS)
        save_consents(outreach.stores, PRACTICE, [late], KEY)
        assert consented(outreach.rows) == set()

    def test_a_second_withdrawal_appends_nothing(self, outreach: MemoryOutreach) -> None:
        click(outreach.stores, CARE_BY_SMS)
        click(outreach.stores, CARE_BY_SMS)
        assert len(statements(outreach)) == 1

    def test_a_withdrawal_by_staff_counts_too(self, outreach: MemoryOutreach) -> None:
        save_consents(outreach.stores, PRACTICE, [a_statement(granted=False)], KEY)
        click(outreach.stores, CARE_BY_SMS)
        assert statements(outreach) == [a_statement(granted=False)]

    def test_consent_that_was_given_again_is_withdrawn_again(
        self, outreach: MemoryOutreach
    ) -> None:
        click(outreach.stores, CARE_BY_SMS)
        outreach.stores.business_time = NOON + HOUR
        save_consents(outreach.stores, PRACTICE, [a_statement(at=NOON + HOUR, granted=True)], KEY)
        click(outreach.stores, CARE_BY_SMS)
        assert [each.granted for each in statements(outreach)] == [False, True, False]

    def test_another_purpose_is_withdrawn_apart(self, outreach: MemoryOutreach) -> None:
        click(outreach.stores, CARE_BY_SMS._replace(purpose=Purpose.MARKETING))
        click(outreach.stores, CARE_BY_SMS)
        assert [each.purpose for each in statements(outreach)] == [Purpose.MARKETING, Purpose.CARE]

    def test_before_business_time_is_known_nothing_is_withdrawn(
        self, outreach: MemoryOutreach
    ) -> None:
        outreach.stores.business_time = None
        with pytest.raises(NoBusinessTime):
            click(outreach.stores, CARE_BY_SMS)
        assert statements(outreach) == []

    def test_what_is_withdrawn_already_needs_no_business_time(
        self, outreach: MemoryOutreach
    ) -> None:
        click(outreach.stores, CARE_BY_SMS)
        outreach.stores.business_time = None
        click(outreach.stores, CARE_BY_SMS)
        assert len(statements(outreach)) == 1


SETTLED = ["consents", "consents", "contacts", "consents"]
"""Statements are added, all are read with the contact points, and what they come to is written."""


class WatchedStore:
    """A store that notes whom it locks and which of its parts is used, in order."""

    def __init__(self, store: Store, used: list[str]) -> None:
        self._store = store
        self._used = used

    def lock_clients(self, practice_id: str, client_ids: Iterable[str]) -> None:
        self._used.append(f"lock of {practice_id}: {' '.join(sorted(set(client_ids)))}")

    def __getattr__(self, part: str) -> Any:
        self._used.append(part)
        return getattr(self._store, part)


class WatchedStores(MemoryStores):
    """Stores that note what is used of each."""

    def __init__(self) -> None:
        super().__init__()
        self.business_time = NOON
        self.used: list[str] = []

    @contextmanager
    def open(self, practice_id: str | None = None) -> Iterator[Any]:
        with super().open(practice_id) as store:
            yield WatchedStore(store, self.used)


class TestLocks:
    """Every write locks all its clients by one call, and before it reads or writes anything."""

    @pytest.fixture
    def stores(self) -> WatchedStores:
        return WatchedStores()

    def test_contacts_lock_their_clients(self, stores: WatchedStores) -> None:
        updates = [an_update(BEN), an_update(), an_update(BEN, Channel.EMAIL, "b@example.com")]
        save_contacts(stores, OpenCipher(), PRACTICE, updates)
        assert stores.used[0] == "lock of harbour: ada ben"
        assert stores.used[1:] == ["business_time", *["contacts"] * 3, "consents"]

    def test_a_removal_locks_its_client(self, stores: WatchedStores) -> None:
        remove_contact(stores, PHONE_OF_ADA)
        assert stores.used == ["lock of harbour: ada", "contacts"]

    def test_consents_lock_their_clients(self, stores: WatchedStores) -> None:
        given = [a_statement(client=BEN, granted=True), a_statement("s2", granted=True)]
        save_consents(stores, PRACTICE, given, KEY)
        assert stores.used[0] == "lock of harbour: ada ben"
        assert stores.used[1:] == ["business_time", *SETTLED]

    def test_a_withdrawal_by_link_locks_its_client_before_it_reads(
        self, stores: WatchedStores
    ) -> None:
        click(stores, CARE_BY_SMS)
        assert stores.used == ["lock of harbour: ada", "consents", "business_time", *SETTLED]

    def test_a_view_locks_nobody(self, stores: WatchedStores) -> None:
        assert view_preferences(stores, OpenCipher(), CALLER, ADA) is None
        assert stores.used == ["contacts", "business_time", "consents", "clients"]


class TestView:
    """`view_preferences`."""

    def test_contacts_are_masked_and_consents_are_the_last(self, outreach: MemoryOutreach) -> None:
        by_email = an_update(channel=Channel.EMAIL, address="ada@example.com")
        save(outreach, an_update(), by_email, an_update(BEN))
        given = [a_statement(granted=True), a_statement("s2", at=NOON + HOUR, granted=False)]
        save_consents(outreach.stores, PRACTICE, given, KEY)
        assert view(outreach) == Preferences(
            [
                MaskedContact(ADA, Channel.EMAIL, "***@example.com", "en"),
                MaskedContact(ADA, Channel.SMS, "***8000", "en"),
            ],
            [CurrentConsent(given[1], NOON, KEY, statements=2)],
        )

    def test_an_address_that_no_key_opens_is_shown_as_stars(self, outreach: MemoryOutreach) -> None:
        outreach.rows.contacts[PHONE_OF_ADA] = Contact(NO_KEY, NO_KEY, "en", "index")
        assert view(outreach) == Preferences([MaskedContact(ADA, Channel.SMS, "***", "en")], [])

    def test_a_client_of_whom_only_an_activity_is_known_has_no_preferences(
        self, outreach: MemoryOutreach
    ) -> None:
        outreach.rows.activity[PRACTICE, ADA] = NOON
        assert view(outreach) == Preferences([], [])

    def test_a_client_with_a_consent_alone_is_known(self, outreach: MemoryOutreach) -> None:
        save_consents(outreach.stores, PRACTICE, [a_statement(granted=True)], KEY)
        found = view(outreach)
        assert found is not None
        assert len(found.consents) == 1

    def test_an_unknown_client_has_none(self, outreach: MemoryOutreach) -> None:
        outreach.rows.activity[PRACTICE, BEN] = NOON
        assert view(outreach) is None
