"""Dispatch: each due message is claimed, put off, ended, left or waits, and nothing is lost."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach_service.domain.messages import Unknown
from outreach_service.domain.rules import DEFAULT_RULES, Cap, Rules, Scope
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold
from tests.support.doubles.open_cipher import NO_KEY
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    BEN,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    PHONE,
    PRACTICE,
    MemoryOutreach,
)

OPENID = "openid-0000000000000000000001"
EVENING = NOON.replace(hour=21)
Prepare = Callable[[MemoryOutreach], Any]


def test_before_there_is_business_time_nothing_is_decided(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    outreach.stores.business_time = None
    claims = outreach.dispatch()
    assert (claims.claimed, claims.decided, claims.is_all) == ([], 0, True)
    assert outreach.state() == ("scheduled", None)


def test_without_due_messages_no_permit_is_taken(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall(at=NOON + HOUR)
    claims = outreach.dispatch()
    assert (claims.claimed, claims.decided, claims.is_all) == ([], 0, True)
    assert set(outreach.rows.permits.values()) == {1000}


def test_a_message_that_may_go_is_claimed_for_one_provider_call(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    claimed = outreach.claim()
    assert (claimed.client_id, claimed.channel, claimed.purpose) == (
        ADA,
        Channel.SMS,
        Purpose.CARE,
    )
    assert (claimed.template, claimed.language, claimed.practice_name) == (
        "check-in",
        "en",
        "Harbour",
    )
    assert (claimed.address, claimed.name) == (PHONE, "Ada")
    assert (claimed.attempt, claimed.first_try_seconds, claimed.unsure) == (1, 0, False)
    message = outreach.message()
    assert (message.state, message.sent_at) == ("sending", NOON)
    assert message.contact_index == f"index of {PHONE}"
    assert message.lease_until == outreach.stores.real_time + MINUTE
    assert outreach.events() == ["scheduled", "sending"]
    assert outreach.rows.permits == {
        Channel.WECHAT: 1000,
        Channel.SMS: 999,
        Channel.EMAIL: 1000,
    }


def test_what_is_personal_is_not_printed(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    assert PHONE not in repr(outreach.claim())


def test_a_claimed_message_is_not_claimed_again(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    outreach.claim()
    assert outreach.dispatch().decided == 0


@pytest.mark.parametrize(("limit", "is_all"), [(2, False), (3, True)])
def test_a_look_tells_whether_it_saw_all_that_was_due(
    outreach: MemoryOutreach, limit: int, *, is_all: bool
) -> None:
    for client in (ADA, BEN):
        outreach.fall(client)
    claims = outreach.dispatch(limit)
    assert (claims.decided, claims.is_all) == (2, is_all)


def activity(outreach: MemoryOutreach) -> None:
    with outreach.stores.open() as store:
        store.inputs.record_activity([ActivitySeen(PRACTICE, ADA, NOON + MINUTE)])


def booking(outreach: MemoryOutreach) -> None:
    with outreach.stores.open() as store:
        store.inputs.record_bookings([BookingDelta(PRACTICE, ADA, "a1", NOON + 3 * DAY, 1)])


@pytest.mark.parametrize(
    ("prepare", "state", "reason"),
    [
        pytest.param(
            lambda outreach: outreach.consent(granted=False),
            "suppressed",
            "no-permitted-channel: wechat without consent for care, sms without consent for care,"
            " email without consent for care",
            id="consent was withdrawn",
        ),
        pytest.param(activity, "suppressed", "newer-activity", id="came again meanwhile"),
        pytest.param(booking, "suppressed", "upcoming-booking", id="has a booking to come"),
    ],
)
def test_a_message_that_a_gate_refuses_is_suppressed(
    outreach: MemoryOutreach, prepare: Prepare, state: str, reason: str
) -> None:
    outreach.reachable()
    outreach.fall()
    prepare(outreach)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == (state, reason)
    assert outreach.events() == ["scheduled", state]
    assert set(outreach.rows.permits.values()) == {1000}


@pytest.mark.parametrize(
    ("play", "now", "state", "reason", "decide_at"),
    [
        pytest.param(
            {}, EVENING, "deferred", "quiet-hours", NOON.replace(hour=9) + DAY, id="at night"
        ),
        pytest.param(
            {"mode": "approve"},
            NOON,
            "awaiting_staff",
            "mode:awaiting-approval",
            NOON + 7 * DAY,
            id="not approved yet",
        ),
        pytest.param(
            {"expires_after": "PT1H"}, NOON + HOUR, "expired", "expired", NOON + HOUR, id="too late"
        ),
        pytest.param(
            {"mode": "observe"}, NOON, "suppressed", "mode:observe", NOON, id="only observed"
        ),
    ],
)
def test_a_message_is_put_off_or_ended_as_its_gate_says(
    outreach: MemoryOutreach,
    play: dict[str, Any],
    now: datetime,
    state: str,
    reason: str,
    decide_at: datetime,
) -> None:
    outreach.reachable()
    outreach.fall(**play)
    outreach.stores.business_time = now
    assert outreach.dispatch().claimed == []
    assert outreach.state() == (state, reason)
    assert outreach.message().decide_at == decide_at


def test_before_its_practice_is_known_a_message_waits(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    outreach.rows.practices.clear()
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "practice-unknown")


def test_a_play_of_a_held_practice_waits_and_no_others_does(outreach: MemoryOutreach) -> None:
    """What waits may be a booking, activity, or the end of the cause. A service message goes that
    asks for neither of the first."""
    asks_nothing = {"upcoming_booking": False, "newer_activity": False}
    for practice in ("held", "quiet"):
        outreach.reachable(practice=practice)
        outreach.fall(practice=practice)
    outreach.reachable(BEN, practice="held", purpose=Purpose.SERVICE)
    outreach.fall(BEN, practice="held", unless=asks_nothing, purpose="service")
    outreach.reachable("eve", practice="held")
    outreach.fall("eve", practice="held", unless=asks_nothing)
    with outreach.stores.open() as store:
        store.inputs.save_hold(Hold("held", 3, "h1", "deferred", None, NOON - HOUR))
    claimed = [(each.practice_id, each.client_id) for each in outreach.dispatch().claimed]
    assert sorted(claimed) == [("held", BEN), ("quiet", ADA)]
    waits = [row for row in outreach.rows.messages.values() if row.state == "deferred"]
    assert [(row.planned.change.practice_id, row.reason) for row in waits] == [
        ("held", "inputs-lag")
    ] * 2


def test_of_a_paused_practice_nothing_is_decided(outreach: MemoryOutreach) -> None:
    outreach.reachable()
    outreach.fall()
    outreach.rows.paused.add(PRACTICE)
    assert outreach.dispatch().decided == 0
    assert outreach.state() == ("scheduled", None)


def test_messages_of_one_look_count_against_each_others_caps(outreach: MemoryOutreach) -> None:
    for number in range(5):
        outreach.reachable(f"child-{number}")
        outreach.fall(f"child-{number}")
    assert len(outreach.dispatch().claimed) == 3
    put_off = [row.reason for row in outreach.rows.messages.values() if row.state == "deferred"]
    assert put_off == ["frequency-cap:contact"] * 2


def test_a_cap_of_thirty_days_looks_back_for_thirty_days(outreach: MemoryOutreach) -> None:
    month = Cap(
        scope=Scope.CLIENT, purposes=frozenset({Purpose.CARE}), limit=1, window=timedelta(days=30)
    )
    rules = replace(DEFAULT_RULES, caps=(month,), same_text_days=0)
    outreach.reachable()
    outreach.fall(version=1)
    assert len(outreach.dispatch(rules=rules).claimed) == 1
    later = outreach.stores.business_time = NOON + timedelta(days=20)
    outreach.fall(version=2, at=later)
    assert outreach.dispatch(rules=rules).claimed == []
    assert outreach.state(version=2) == ("deferred", "frequency-cap:client")


def test_without_caps_nothing_that_was_sent_holds_a_message_back(outreach: MemoryOutreach) -> None:
    rules = replace(DEFAULT_RULES, caps=(), same_text_days=0)
    outreach.reachable()
    for version in range(1, 9):
        outreach.fall(version=version, key=f"play-{version}")
    assert len(outreach.dispatch(rules=rules).claimed) == 8


def test_as_many_messages_are_looked_at_as_there_are_permits(outreach: MemoryOutreach) -> None:
    outreach.rows.permits[Channel.SMS] = 1
    for number in range(3):
        outreach.reachable(f"client-{number}", address=f"+861380013800{number}")
        outreach.fall(f"client-{number}")
    before = deepcopy(outreach.rows.messages)
    claims = outreach.dispatch()
    assert (len(claims.claimed), claims.decided, claims.is_all) == (1, 1, True)
    changed = [key for key, row in outreach.rows.messages.items() if row != before[key]]
    assert [key.message_id for key in changed] == [claims.claimed[0].message_id]
    assert outreach.rows.permits[Channel.SMS] == 0


def test_permits_that_are_left_let_the_look_go_on(outreach: MemoryOutreach) -> None:
    """Its first message was for another channel than was thought, and took none."""
    outreach.rows.permits[Channel.SMS] = 1
    for client in (ADA, BEN):
        outreach.reachable(client)
        outreach.fall(client)
        outreach.consent(client, granted=False)
    claims = outreach.dispatch()
    assert (claims.decided, claims.is_all) == (1, False)


def test_a_message_of_which_nobody_knew_where_it_goes_is_moved_to_its_lane_once(
    outreach: MemoryOutreach,
) -> None:
    outreach.rows.permits[Channel.SMS] = 0
    outreach.fall()
    outreach.reachable()
    assert outreach.message().lane is None
    assert outreach.dispatch().decided == 1
    assert (outreach.state(), outreach.message().lane) == (("scheduled", None), Channel.SMS)
    assert outreach.dispatch().decided == 0
    outreach.rows.permits[Channel.SMS] = 1
    assert len(outreach.dispatch().claimed) == 1


def test_practices_are_served_in_turn_look_after_look(outreach: MemoryOutreach) -> None:
    """A flood of one practice delays nobody: the others' messages go in the first two looks."""
    order = []
    for practice, messages in (("busy", 20), ("quiet", 1), ("some", 2)):
        for number in range(messages):
            outreach.reachable(f"client-{number}", practice=practice)
            outreach.fall(f"client-{number}", practice=practice, at=NOON - HOUR + number * MINUTE)
    rules = replace(DEFAULT_RULES, caps=())
    for _ in range(12):
        outreach.rows.permits[Channel.SMS] = 2
        order += [each.practice_id for each in outreach.dispatch(rules=rules).claimed]
    assert order[:6] == ["busy", "quiet", "some", "busy", "some", "busy"]
    assert order[6:] == ["busy"] * 17


def test_a_channel_without_room_keeps_its_permits_and_holds_up_no_other(
    outreach: MemoryOutreach,
) -> None:
    outreach.reachable(ADA)
    outreach.reachable(BEN, Channel.EMAIL, "ben@example.net")
    for client in (ADA, BEN):
        outreach.fall(client)
    room = {Channel.WECHAT: 5, Channel.SMS: 0, Channel.EMAIL: 5}
    assert [each.client_id for each in outreach.dispatch(room=room).claimed] == [BEN]
    assert outreach.state() == ("scheduled", None)
    assert outreach.rows.permits[Channel.SMS] == 1000


def test_a_message_is_not_looked_at_while_its_channel_is_full(
    outreach: MemoryOutreach,
) -> None:
    outreach.reachable()
    outreach.fall()
    assert outreach.dispatch(room=dict.fromkeys(Channel, 0)).decided == 0
    assert len(outreach.dispatch(room=dict.fromkeys(Channel, 1)).claimed) == 1


def test_a_contact_that_no_key_opens_waits_and_no_other_message_does(
    outreach: MemoryOutreach,
) -> None:
    outreach.reachable(ADA, address=NO_KEY)
    outreach.reachable(BEN)
    for client in (ADA, BEN):
        outreach.fall(client)
    assert [each.client_id for each in outreach.dispatch().claimed] == [BEN]
    assert outreach.state() == ("deferred", "contact-unreadable")
    assert outreach.message().decide_at == NOON + DEFAULT_RULES.longest_lag
    assert outreach.rows.permits[Channel.SMS] == 999
    assert sorted(outreach.events()) == ["deferred", "scheduled", "scheduled", "sending"]


def test_a_contact_that_no_key_opens_does_not_outlive_its_message(outreach: MemoryOutreach) -> None:
    outreach.reachable(address=NO_KEY)
    outreach.fall(expires_after="PT10M")
    outreach.dispatch()
    assert outreach.message().decide_at == NOON + 10 * MINUTE


def lost_by_wechat(outreach: MemoryOutreach) -> None:
    """Ada's message may have been sent by WeChat, which knows a repeat by its key."""
    outreach.reachable(channel=Channel.WECHAT, address=OPENID)
    outreach.fall()
    outreach.record((outreach.claim(), Unknown("wechat:timeout")))
    outreach.pass_real_time(60)


def test_a_message_that_may_have_been_sent_is_repeated_by_its_channel(
    outreach: MemoryOutreach,
) -> None:
    lost_by_wechat(outreach)
    claimed = outreach.claim()
    assert (claimed.channel, claimed.attempt, claimed.unsure) == (Channel.WECHAT, 2, True)
    assert claimed.first_try_seconds == 60


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(
            lambda outreach: (
                outreach.reachable(),
                outreach.consent(channel=Channel.WECHAT, granted=False),
            ),
            id="only another channel is open",
        ),
        pytest.param(
            lambda outreach: outreach.consent(channel=Channel.WECHAT, granted=False),
            id="no channel is open",
        ),
        pytest.param(
            lambda outreach: outreach.reachable(channel=Channel.WECHAT, address=NO_KEY),
            id="no key opens the contact",
        ),
    ],
)
def test_a_message_that_may_have_been_sent_stays_unknown_when_it_may_not_be_repeated(
    outreach: MemoryOutreach, prepare: Prepare
) -> None:
    lost_by_wechat(outreach)
    prepare(outreach)
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("unknown", "wechat:timeout")
    assert outreach.message().retry_until is None
    assert outreach.dispatch().decided == 0


def test_a_channel_without_an_account_gives_way_to_the_next(outreach: MemoryOutreach) -> None:
    rules: Rules = replace(DEFAULT_RULES, closed=frozenset({Channel.WECHAT}))
    outreach.reachable(channel=Channel.WECHAT, address=OPENID)
    outreach.reachable()
    outreach.fall()
    (claimed,) = outreach.dispatch(rules=rules).claimed
    assert claimed.channel is Channel.SMS
