"""What each adapter of outreach's stores must do; a test class for each adapter inherits it."""

from contextlib import suppress
from datetime import timedelta

import pytest

from outreach_service.domain.gates import SentMessage
from outreach_service.domain.messages import State
from outreach_service.domain.terms import Channel, Occasion, Purpose
from outreach_service.handlers.events import message_event
from outreach_service.ports.records import (
    ActivitySeen,
    AttemptHistory,
    BookingDelta,
    ContactKey,
    DueMessage,
    Hold,
)
from rapport_contracts.ranges import LATEST
from tests.support.doubles.open_cipher import A_PHONE
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
    key_of,
)
from tests.support.memory.outreach_due_suite import DueSuite
from tests.support.memory.outreach_practices_suite import PracticesSuite

LAST = LATEST - timedelta(microseconds=1)


class Failure(Exception):
    """What a use case raises in the middle of a transaction."""


class StoreSuite(DueSuite, PracticesSuite):
    """`Stores`: what is written is read, what is due comes in turn, and nothing is half done."""

    @pytest.fixture
    def harbour(self, adapter: StoreAdapter) -> Harbour:
        return Harbour(adapter)

    def test_business_time_is_that_of_the_inputs(self, harbour: Harbour) -> None:
        with harbour.stores.open() as store:
            assert store.business_time() == NOON

    def test_a_transaction_that_fails_leaves_nothing(self, harbour: Harbour) -> None:
        message = a_message()
        event = message_event(message, NOON, state=State.SCHEDULED, channel=None, reason=None)
        with suppress(Failure), harbour.stores.open() as store:
            store.queue.add([message])
            store.publish([event])
            raise Failure
        assert harbour.due() == []
        assert harbour.adapter.events() == []

    def test_events_are_published_in_their_order(self, harbour: Harbour) -> None:
        messages = [a_message(version) for version in (1, 2, 3)]
        with harbour.stores.open() as store:
            store.publish(
                [
                    message_event(each, NOON, state=State.SENDING, channel=None, reason=None)
                    for each in messages
                ]
            )
        assert harbour.adapter.events() == [(each.message_id, "sending") for each in messages]

    def test_a_message_is_added_once(self, harbour: Harbour) -> None:
        first, second = a_message(1), a_message(2)
        assert harbour.add(first) == [first.message_id]
        assert harbour.add(first, second) == [second.message_id]
        assert harbour.add() == []

    def test_a_due_message_is_as_it_was_planned(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        assert harbour.due() == [
            DueMessage(
                message.message_id,
                message.occasion,
                message.change,
                partition=3,
                play=message.play,
                step=0,
                due_at=NOON,
                approved=False,
                attempts=0,
                unsure_of=None,
            )
        ]

    def test_clients_are_reachable_where_they_have_a_contact_point_and_consent(
        self, harbour: Harbour
    ) -> None:
        ben = ContactKey(PRACTICE, "ben", Channel.EMAIL)
        harbour.adapter.put_contact(PHONE, "phone-1")
        harbour.adapter.put_contact(ben, "mail-1")
        for granted in (False, True):
            harbour.adapter.put_consent(PHONE, Purpose.CARE, granted=granted)
        for granted in (True, False):
            harbour.adapter.put_consent(PHONE, Purpose.MARKETING, granted=granted)
        email = ContactKey(PRACTICE, ADA, Channel.EMAIL)
        harbour.adapter.put_consent(email, Purpose.CARE, granted=True)
        with harbour.stores.open() as store:
            found = store.clients.reachable({(PRACTICE, ADA), (PRACTICE, "ben")})
            assert dict(store.clients.reachable(set())) == {}
        assert {key: set(each) for key, each in found.items()} == {
            (PRACTICE, ADA): {(Channel.SMS, Purpose.CARE)}
        }

    def test_a_claimed_message_is_not_due_again(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        harbour.claim(message)
        assert harbour.due() == []
        row = harbour.row(message)
        assert (row.state, row.channel, row.attempts, row.sent_at) == ("sending", "sms", 1, NOON)

    def test_a_claim_is_lost_when_its_lease_has_ended(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        with harbour.stores.open() as store:
            assert store.queue.lost() == []
        harbour.adapter.pass_real_time(61)
        with harbour.stores.open() as store:
            (lost,) = store.queue.lost()
        assert lost.key == key
        assert (lost.client_id, lost.channel, lost.purpose) == (ADA, Channel.SMS, Purpose.CARE)
        assert lost.unsure is False
        assert lost.first_try_seconds == pytest.approx(61, abs=30)

    def test_a_message_that_may_be_repeated_is_due_until_its_key_is_forgotten(
        self, harbour: Harbour
    ) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        harbour.apply(key, State.UNKNOWN, outcome="unknown", wait_seconds=10, keyed_seconds=1000)
        assert harbour.due() == []
        harbour.adapter.pass_real_time(100)
        assert [each.unsure_of for each in harbour.due()] == [Channel.SMS]
        harbour.adapter.pass_real_time(1000)
        assert harbour.due() == []
        with harbour.stores.open() as store:
            store.queue.end_overdue_repeats()
        assert harbour.due() == []

    def test_a_message_whose_repeats_were_ended_is_not_due(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        harbour.apply(key, State.UNKNOWN, outcome="unknown", keyed_seconds=1000)
        with harbour.stores.open() as store:
            store.queue.end_repeats_of([key_of(message)])
        assert harbour.due() == []

    def test_histories_tell_of_unknown_attempts(self, harbour: Harbour) -> None:
        tried, untried = a_message(1), a_message(2)
        harbour.add(tried, untried)
        harbour.apply(harbour.claim(tried), State.UNKNOWN, outcome="unknown")
        harbour.adapter.pass_real_time(500)
        with harbour.stores.open() as store:
            found = store.queue.histories([key_of(tried), key_of(untried)])
        assert found == {tried.message_id: AttemptHistory(pytest.approx(500, abs=30), unsure=True)}

    def test_a_tried_message_has_its_attempts_outcome(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        with harbour.stores.open() as store:
            before = store.queue.lock_tried([key])[key]
        harbour.apply(key, State.ACCEPTED, provider_ref="r1")
        with harbour.stores.open() as store:
            after = store.queue.lock_tried([key])[key]
        assert (before.state, before.outcome, before.attempts) == ("sending", None, 1)
        assert (after.state, after.outcome, after.attempts) == ("accepted", "accepted", 1)
        assert (after.client_id, after.partition, after.play) == (ADA, 3, "check-in")
        assert (after.occasion, after.sent_at) == (message.occasion, NOON)

    def test_a_refused_message_waits_for_its_next_attempt(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        harbour.apply(key, State.SCHEDULED, outcome="rejected", reason="busy", wait_seconds=100)
        assert harbour.due() == []
        harbour.adapter.pass_real_time(200)
        assert [(each.attempts, each.unsure_of) for each in harbour.due()] == [(1, None)]

    def test_a_situation_holds_contacts_and_the_last_consents(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        harbour.adapter.put_contact(PHONE, "phone-1")
        for granted in (False, True):
            harbour.adapter.put_consent(PHONE, Purpose.CARE, granted=granted)
        for granted in (True, False):
            harbour.adapter.put_consent(PHONE, Purpose.MARKETING, granted=granted)
        situation = harbour.situation()
        assert situation.contacts == {Channel.SMS: "phone-1"}
        assert situation.consents == {(Channel.SMS, Purpose.CARE)}
        assert (situation.now, situation.zone) == (NOON, "Europe/London")
        assert situation.inputs_up_to == NOON

    def test_of_a_held_practice_activity_is_read_up_to_where_it_stands(
        self, harbour: Harbour
    ) -> None:
        """The earliest of its holds counts; none of another practice does."""
        harbour.add(a_message())
        early = Hold(PRACTICE, 3, "h1", "deferred", "0a1b2c3d", NOON - 3 * HOUR)
        late = Hold(PRACTICE, 4, "h2", "deferred", "4e5f6a7b", NOON - HOUR)
        seen = [harbour.situation().inputs_up_to]
        for hold in (early, late, early._replace(practice_id="other", stands_at=NOON - DAY)):
            with harbour.stores.open() as store:
                store.inputs.save_hold(hold)
            seen.append(harbour.situation().inputs_up_to)
        for moved_to in (NOON - 2 * HOUR, NOON - DAY):
            with harbour.stores.open() as store:
                store.inputs.save_hold(early._replace(stands_at=moved_to))
            seen.append(harbour.situation().inputs_up_to)
        with harbour.stores.open() as store:
            store.inputs.end_hold(early)
        seen.append(harbour.situation().inputs_up_to)
        assert seen == [NOON - hours * HOUR for hours in (0, 3, 3, 3, 2, 2, 1)]

    def test_holds_of_another_database_of_the_sender_end(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        seen = []
        for digits in ("0a1b2c3d", "4e5f6a7b", "3a1b2c3d"):
            with harbour.stores.open() as store:
                store.inputs.save_hold(Hold(PRACTICE, 3, "h1", "deferred", digits, NOON - HOUR))
            for told in ({}, {4: "3a1b2c3d"}, {3: "3a1b2c3d"}):
                with harbour.stores.open() as store:
                    store.inputs.end_other_holds(told)
                seen.append(harbour.situation().inputs_up_to)
        assert [each == NOON for each in seen] == [*(False, False, True) * 2, *(False,) * 3]

    def test_the_newest_activity_counts(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        assert harbour.situation().activity_at is None
        instants = (NOON - HOUR, NOON - DAY)
        for instant in instants:
            with harbour.stores.open() as store:
                store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, instant)])
        assert harbour.situation().activity_at == NOON - HOUR

    def test_the_next_booking_that_stands_counts(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        deltas = [
            BookingDelta(PRACTICE, ADA, "a1", NOON + DAY, 1),
            BookingDelta(PRACTICE, ADA, "a2", NOON + 3 * DAY, 1),
            BookingDelta(PRACTICE, ADA, "a3", NOON - DAY, 1),
        ]
        cancelled = BookingDelta(PRACTICE, ADA, "a4", NOON + DAY, -1)
        with harbour.stores.open() as store:
            store.inputs.record_bookings(deltas)
        assert harbour.situation().booking_at == NOON + DAY
        for _ in range(2):
            with harbour.stores.open() as store:
                store.inputs.record_bookings([cancelled])
        assert harbour.situation().booking_at == NOON + 3 * DAY

    def test_bookings_of_any_number_are_added_up(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        for activity_id, delta in (("a1", -(2**31)), ("a2", 2**31 - 1), ("a3", 2**31 - 1)):
            booking = BookingDelta(PRACTICE, ADA, activity_id, LAST, delta)
            with harbour.stores.open() as store:
                store.inputs.record_bookings([booking])
        assert harbour.situation().booking_at == LAST

    def test_the_widest_message_is_kept(self, harbour: Harbour) -> None:
        message = a_message()._replace(
            message_id="f" * 32,
            occasion=Occasion("k" * 64, "码" * 500),
            step=2**15 - 1,
            due_at=LAST,
        )
        assert harbour.add(message) == [message.message_id]
        (due,) = harbour.due(LAST)
        assert (due.occasion, due.step) == (message.occasion, 2**15 - 1)

    def test_equal_versions_of_two_schemes_are_two_messages(self, harbour: Harbour) -> None:
        first, second = a_message(), a_message(scheme="ladder")
        assert len(harbour.add(first, second)) == 2
        assert {each.occasion for each in harbour.due()} == {first.occasion, second.occasion}

    def test_what_was_sent_counts_by_client_and_by_contact_point(self, harbour: Harbour) -> None:
        harbour.adapter.put_contact(PHONE, "phone-1")
        hers, *others = (a_message(1, client=client) for client in (ADA, "ben", "eve"))
        sibling, stranger = others
        harbour.add(hers, sibling, stranger)
        harbour.claim(hers, index="old-phone")
        harbour.claim(sibling)
        harbour.claim(stranger, index="phone-2")
        harbour.add(a_message(2))
        sent = set(harbour.situation().sent)
        known = {"at": NOON, "purpose": Purpose.CARE, "template": "check-in"}
        assert sent == {
            SentMessage(**known, client_id=ADA, contact="old-phone"),
            SentMessage(**known, client_id="ben", contact="phone-1"),
        }
        assert harbour.situation(since=NOON).sent == ()

    def test_a_message_does_not_count_against_itself(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        harbour.apply(key, State.UNKNOWN, outcome="unknown", keyed_seconds=1000)
        assert harbour.situation().sent == ()

    def test_recipients_are_sealed_and_know_their_practice(self, harbour: Harbour) -> None:
        harbour.adapter.put_contact(PHONE, "phone-1")
        with harbour.stores.open() as store:
            found = store.clients.recipients([PHONE])[PHONE]
            assert store.clients.recipients([]) == {}
        assert (found.sealed_address, found.sealed_name) == (A_PHONE, "sealed")
        assert (found.language, found.practice_name) == ("en", "Harbour")

    def test_permits_are_taken_and_given_back(self, harbour: Harbour) -> None:
        for channel in Channel:
            harbour.adapter.put_permits(channel, 5)
        with harbour.stores.open() as store:
            assert store.rates.lease(3) == dict.fromkeys(Channel, 3)
        with harbour.stores.open() as store:
            assert store.rates.lease(3) == dict.fromkeys(Channel, 2)
            store.rates.give_back({Channel.SMS: 2, Channel.EMAIL: 0})
        with harbour.stores.open() as store:
            assert store.rates.lease(3)[Channel.SMS] == 2

    def test_playbooks_are_those_of_practices_with_one(self, harbour: Harbour) -> None:
        document = {"key": "own", "plays": [a_play_document()]}
        harbour.adapter.put_playbook(PRACTICE, document)
        with harbour.stores.open() as store:
            assert store.inputs.playbooks([PRACTICE, "lakeside"]) == {PRACTICE: document}

    def test_a_message_shows_its_cause_and_attempts(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        key = harbour.claim(message)
        harbour.apply(key, State.ACCEPTED)
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            stored = store.messages.find(key_of(message))
            attempts = store.messages.attempts(key_of(message))
        assert stored is not None
        assert (stored.play, stored.template, stored.partition) == (message.play, "check-in", 3)
        assert stored.change["to_tier"] == message.change.to_tier
        assert [(each.number, each.channel, each.outcome) for each in attempts] == [
            (1, "sms", "accepted")
        ]
        assert stored.row.expires_at == NOON + message.play.expires_after

    def test_another_practice_sees_no_message(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        with harbour.adapter.api_stores.open("lakeside") as store:
            assert store.messages.find(key_of(message)) is None
            assert store.messages.lock(key_of(message)) is None

    def test_a_contact_point_tells_whether_the_purpose_has_consent(self, harbour: Harbour) -> None:
        email = ContactKey(PRACTICE, ADA, Channel.EMAIL)
        for key in (PHONE, email):
            harbour.adapter.put_contact(key, "point")
        harbour.adapter.put_consent(PHONE, Purpose.CARE, granted=True)
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            points = store.messages.contact_points(PRACTICE, ADA, "care")
        consented = {channel: point.consented for channel, point in points.items()}
        assert consented == {Channel.SMS: True, Channel.EMAIL: False}

    def test_approval_and_cancellation_are_saved(self, harbour: Harbour) -> None:
        approved, cancelled = a_message(1), a_message(2)
        harbour.add(approved, cancelled)
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            store.messages.approve(key_of(approved), "scheduled", NOON + HOUR)
            store.messages.cancel(key_of(cancelled), "cancelled", "cancelled-by-staff", NOON)
        row = harbour.row(approved)
        assert (row.state, row.reason, row.approved) == ("scheduled", None, True)
        assert row.decide_at == row.changed_at == NOON + HOUR
        row = harbour.row(cancelled)
        assert (row.state, row.reason, row.approved) == ("cancelled", "cancelled-by-staff", False)
