"""What providers said of people and accounts, as each adapter of outreach's stores must keep it."""

from datetime import datetime, timedelta

import pytest

from outreach_service.domain.gates import Rest
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.contacts import PracticeHome
from outreach_service.ports.records import (
    AttemptHistory,
    ContactKey,
    FinishedAttempt,
    RestingPoint,
    Strike,
)
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
    key_of,
)

GONE = "sms:isv.MOBILE_NUMBER_ILLEGAL"
REFUSED = Strike(Channel.SMS, "sms:SignatureDoesNotMatch", closes=True, seconds=60)
UNCLEAR = Strike(Channel.SMS, "sms:isv.NEW", closes=False, seconds=60)


class RefusalsSuite:
    """`Contacts.rest`, `Situation.resting`, `Rates.strike`."""

    @pytest.fixture
    def harbour(self, adapter: StoreAdapter) -> Harbour:
        made = Harbour(adapter)
        adapter.put_contact(PHONE, "phone-1")
        made.add(a_message())
        return made

    def rest(self, harbour: Harbour, since: datetime, until: datetime | None = None) -> Rest:
        rest = Rest(GONE, since, until)
        with harbour.stores.open() as store:
            store.contacts.rest([RestingPoint(PRACTICE, "phone-1", rest)])
        return rest

    def test_a_contact_point_rests_for_everybody_who_has_it(self, harbour: Harbour) -> None:
        rest = self.rest(harbour, NOON - HOUR)
        ben = ContactKey(PRACTICE, "ben", Channel.SMS)
        harbour.adapter.put_contact(ben, "phone-1")
        assert harbour.situation().resting == {Channel.SMS: rest}
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            for client in (ADA, "ben"):
                (contact,) = store.contacts.of_client(PRACTICE, client, NOON)
                assert contact.rest == rest

    def test_another_point_and_another_practices_point_do_not_rest(self, harbour: Harbour) -> None:
        self.rest(harbour, NOON - HOUR)
        elsewhere = RestingPoint("lakeside", "phone-2", Rest(GONE, NOON - HOUR, None))
        with harbour.stores.open() as store:
            store.contacts.rest([elsewhere])
        harbour.adapter.put_contact(PHONE._replace(client_id="ben"), "phone-2")
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            (contact,) = store.contacts.of_client(PRACTICE, "ben", NOON)
            assert contact.rest is None

    @pytest.mark.parametrize(("until", "rests"), [(None, True), (NOON + HOUR, True), (NOON, False)])
    def test_a_rest_holds_until_its_time(
        self, harbour: Harbour, until: datetime | None, *, rests: bool
    ) -> None:
        self.rest(harbour, NOON - HOUR, until)
        assert (Channel.SMS in harbour.situation().resting) is rests

    @pytest.mark.parametrize(
        ("since", "granted", "rests"),
        [
            pytest.param(timedelta(days=-30), True, False, id="they want messages since"),
            pytest.param(timedelta(days=30_000), True, True, id="they wanted some before"),
            pytest.param(timedelta(days=-30), False, True, id="they want none"),
        ],
    )
    def test_a_later_consent_to_the_channel_ends_a_rest(
        self, harbour: Harbour, since: timedelta, *, granted: bool, rests: bool
    ) -> None:
        """The consents of the adapters are made about now, by whatever clock."""
        self.rest(harbour, NOON + since)
        harbour.adapter.put_consent(PHONE, Purpose.SERVICE, granted=granted)
        assert (Channel.SMS in harbour.situation().resting) is rests

    def test_a_consent_to_another_channel_ends_none(self, harbour: Harbour) -> None:
        self.rest(harbour, NOON - 30 * DAY)
        email = ContactKey(PRACTICE, ADA, Channel.EMAIL)
        harbour.adapter.put_consent(email, Purpose.CARE, granted=True)
        assert Channel.SMS in harbour.situation().resting

    def test_the_last_word_about_a_point_holds(self, harbour: Harbour) -> None:
        self.rest(harbour, NOON - DAY)
        again = self.rest(harbour, NOON - HOUR, NOON + HOUR)
        assert harbour.situation().resting == {Channel.SMS: again}

    def test_excused_attempts_are_counted(self, harbour: Harbour) -> None:
        message = a_message()
        first, second = harbour.claim(message), harbour.claim(message, number=2)
        done = [
            FinishedAttempt(*first, "rejected", "sms:x", is_excused=True),
            FinishedAttempt(*second, "rejected", "sms:x"),
        ]
        with harbour.stores.open() as store:
            store.queue.finish(done)
            found = store.queue.histories([key_of(message)])[message.message_id]
        assert AttemptHistory(0, *found[1:]) == AttemptHistory(0, unsure=False, excused=1)

    def lease(self, harbour: Harbour, wanted: int = 10) -> int:
        with harbour.stores.open() as store:
            return store.rates.lease(wanted)[Channel.SMS]

    def strike(self, harbour: Harbour, *strikes: Strike) -> None:
        with harbour.stores.open() as store:
            store.rates.strike(strikes)

    def test_a_refused_account_closes_its_channel_alone(self, harbour: Harbour) -> None:
        self.strike(harbour, REFUSED)
        with harbour.stores.open() as store:
            leased = store.rates.lease(10)
        assert (leased[Channel.SMS], leased[Channel.EMAIL]) == (0, 10)

    def test_five_unclear_refusals_in_a_row_close_a_channel(self, harbour: Harbour) -> None:
        self.strike(harbour, *[UNCLEAR] * 4)
        assert self.lease(harbour) == 10
        self.strike(harbour, UNCLEAR)
        assert self.lease(harbour) == 0

    def test_what_is_accepted_between_them_keeps_it_open(self, harbour: Harbour) -> None:
        for strikes in (4, 4):
            self.strike(harbour, *[UNCLEAR] * strikes)
            with harbour.stores.open() as store:
                store.rates.reopen([Channel.SMS])
        self.strike(harbour, UNCLEAR)
        assert self.lease(harbour) == 10

    def test_when_its_time_is_over_one_message_tries_and_the_next_waits(
        self, harbour: Harbour
    ) -> None:
        self.strike(harbour, REFUSED)
        harbour.adapter.pass_real_time(61)
        assert [self.lease(harbour), self.lease(harbour)] == [1, 0]
        harbour.adapter.pass_real_time(31)
        assert self.lease(harbour) == 1

    def test_a_try_that_was_not_needed_is_there_for_the_next_look(self, harbour: Harbour) -> None:
        self.strike(harbour, REFUSED)
        harbour.adapter.pass_real_time(61)
        assert self.lease(harbour) == 1
        with harbour.stores.open() as store:
            store.rates.give_back({Channel.SMS: 1})
        assert self.lease(harbour) == 1

    def test_a_try_that_is_refused_closes_it_again(self, harbour: Harbour) -> None:
        self.strike(harbour, REFUSED)
        harbour.adapter.pass_real_time(61)
        self.lease(harbour)
        self.strike(harbour, UNCLEAR)
        harbour.adapter.pass_real_time(31)
        assert self.lease(harbour) == 0

    def test_a_try_that_is_accepted_opens_it(self, harbour: Harbour) -> None:
        self.strike(harbour, REFUSED)
        with harbour.stores.open() as store:
            store.rates.reopen([Channel.SMS])
        assert self.lease(harbour) == 10

    def test_a_practice_tells_where_it_is(self, harbour: Harbour) -> None:
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.contacts.home(PRACTICE) == PracticeHome("GB", "Europe/London")
            assert store.contacts.home("nowhere") is None
