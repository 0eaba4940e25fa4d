"""From a tier change to one provider call: never doubled, never without consent."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from outreach_service.domain.messages import Accepted, Outcome, Rejected, Unknown
from outreach_service.domain.terms import Channel
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.metrics import PROVIDER_ATTEMPTS
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.worlds.outreach import Build, OutreachWorld, playbook, worlds

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PHONE = "+8613800138000"


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Build]:
    with worlds(service_database) as build:
        yield build


def test_a_tier_change_becomes_one_message_however_often_it_comes(world: Build) -> None:
    provider = RecordingProvider()
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    for _ in range(3):
        outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    assert outreach.dispatch() == 0
    assert len(provider.sent) == 1
    assert [row.state for row in outreach.messages().values()] == ["accepted"]
    outreach.loop.turn(threading.Event())
    assert [event.state for event in outreach.announced()] == ["scheduled", "sending", "accepted"]


def test_nothing_is_sent_before_its_time(world: Build) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON + timedelta(hours=1))
    outreach.now_is(NOON)
    assert outreach.dispatch() == 0
    outreach.now_is(NOON + timedelta(hours=1))
    assert outreach.dispatch() == 1


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda w: None, "no-permitted-channel", id="no contact and no consent"),
        pytest.param(
            lambda w: (
                w.reachable("ada", Channel.SMS, PHONE),
                w.consent("ada", Channel.SMS, "care", granted=False),
            ),
            "no-permitted-channel",
            id="consent was withdrawn",
        ),
        pytest.param(
            lambda w: (
                w.reachable("ada", Channel.SMS, PHONE),
                w.active("ada", 1, NOON + timedelta(minutes=1)),
            ),
            "newer-activity",
            id="came again meanwhile",
        ),
        pytest.param(
            lambda w: (
                w.reachable("ada", Channel.SMS, PHONE),
                w.active(
                    "ada",
                    1,
                    NOON - timedelta(days=9),
                    kind="booked",
                    starts_at=NOON + timedelta(days=3),
                ),
            ),
            "upcoming-booking",
            id="has a booking to come",
        ),
    ],
)
def test_a_message_that_may_not_go_is_suppressed_with_its_reason(
    world: Build, prepare: Callable[[OutreachWorld], Any], reason: str
) -> None:
    outreach = world(playbook(directions=["downgraded"]))
    prepare(outreach)
    outreach.moved("ada", 2, NOON, from_tier="silver", direction="downgraded")
    outreach.now_is(NOON + timedelta(minutes=2))
    assert outreach.dispatch() == 0
    (row,) = outreach.messages().values()
    assert (row.state, row.reason.partition(":")[0]) == ("suppressed", reason)


def test_a_booking_that_was_cancelled_holds_nothing_back(world: Build) -> None:
    outreach = world(playbook(directions=["downgraded"]))
    outreach.reachable("ada", Channel.SMS, PHONE)
    starts_at = NOON + timedelta(days=3)
    before = NOON - timedelta(days=9)
    outreach.active("ada", 1, before, kind="booked", starts_at=starts_at)
    outreach.active("ada", 2, before, kind="booked", starts_at=starts_at, count=-1)
    outreach.active("ada", 2, before, kind="booked", starts_at=starts_at, count=-1)
    outreach.moved("ada", 2, NOON, from_tier="silver", direction="downgraded")
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1


def test_observe_sends_nothing_and_says_what_it_would_have_done(world: Build) -> None:
    outreach = world(playbook(directions=["entered"], mode="observe"))
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 0
    assert [row.reason for row in outreach.messages().values()] == ["mode:observe"]


def test_at_night_a_message_waits_for_the_morning(world: Build) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.SMS, PHONE)
    night = NOON.replace(hour=23)
    outreach.moved("ada", 1, night)
    outreach.now_is(night)
    assert outreach.dispatch() == 0
    (row,) = outreach.messages().values()
    assert (row.state, row.reason) == ("deferred", "quiet-hours")
    assert row.decide_at == datetime(2026, 3, 3, 9, tzinfo=UTC)
    outreach.now_is(row.decide_at)
    assert outreach.dispatch() == 1


def test_a_family_phone_is_not_called_more_than_its_cap(world: Build) -> None:
    outreach = world()
    for number in range(5):
        outreach.reachable(f"child-{number}", Channel.SMS, PHONE)
        outreach.moved(f"child-{number}", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 3
    reasons = [row.reason for row in outreach.messages().values() if row.state == "deferred"]
    assert reasons == ["frequency-cap:contact"] * 2


def test_sixteen_dispatchers_keep_one_cap(world: Build) -> None:
    provider = RecordingProvider()
    outreach = world(sms=provider)
    for number in range(40):
        outreach.reachable(f"child-{number}", Channel.SMS, PHONE)
        outreach.moved(f"child-{number}", 1, NOON)
    outreach.now_is(NOON)
    with ThreadPoolExecutor(16) as pool:
        claims = [pool.submit(outreach.queue.claim, 3) for _ in range(32)]
        claimed = [one for claim in claims for one in claim.result().claimed]
    assert len(claimed) == 3


def test_a_full_bucket_makes_messages_wait_on_the_real_clock(world: Build) -> None:
    outreach = world()
    outreach.execute("UPDATE permit SET tokens = 2, per_second = 0.001, burst = 2")
    for number in range(5):
        outreach.reachable(f"client-{number}", Channel.SMS, f"+861380013800{number}")
        outreach.moved(f"client-{number}", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 2
    waiting = [row for row in outreach.messages().values() if row.state == "scheduled"]
    assert [row.lane for row in waiting] == ["sms"] * 3
    assert outreach.dispatch() == 0
    outreach.execute("UPDATE permit SET tokens = 2")
    assert outreach.dispatch() == 2


def test_a_refusal_is_tried_again_and_a_lost_answer_never_is(world: Build) -> None:
    outcomes: list[Outcome] = [Rejected("sms:busy", final=False), Unknown("sms:timeout")]
    provider = RecordingProvider(outcomes)
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    assert outreach.messages()["ada", 1].state == "scheduled"
    outreach.execute("UPDATE message SET not_before = 'epoch'")
    assert outreach.dispatch() == 1
    assert outreach.messages()["ada", 1].state == "unknown"
    outreach.execute("UPDATE message SET not_before = 'epoch', decide_at = 'epoch'")
    assert outreach.dispatch() == 0
    attempts = outreach.rows("SELECT outcome FROM attempt ORDER BY number")
    assert [row.outcome for row in attempts] == ["rejected", "unknown"]


def test_a_claim_whose_worker_died_is_unknown_and_its_late_answer_still_counts(
    world: Build,
) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    (claimed,) = outreach.queue.claim(10).claimed
    assert outreach.queue.recover() == 0
    outreach.execute("UPDATE message SET lease_until = clock_timestamp() - interval '1 second'")
    assert outreach.queue.recover() == 1
    assert outreach.messages()["ada", 1].state == "unknown"
    assert outreach.queue.claim(10).claimed == []
    outreach.queue.record([(claimed, Accepted("late"))])
    assert outreach.messages()["ada", 1].state == "accepted"


def test_after_consent_was_withdrawn_no_provider_is_called(world: Build) -> None:
    provider = RecordingProvider()
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    outreach.consent("ada", Channel.SMS, "care", granted=False)
    assert outreach.dispatch() == 0
    assert provider.sent == []


def test_a_lost_wechat_answer_is_repeated_by_its_key_and_counts_meanwhile(world: Build) -> None:
    provider = RecordingProvider([Unknown("wechat:timeout")])
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.WECHAT, "openid-0000000000000000000001")
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    assert outreach.messages()["ada", 1].state == "unknown"
    outreach.execute("UPDATE message SET not_before = 'epoch'")
    assert outreach.dispatch() == 1
    assert outreach.messages()["ada", 1].state == "accepted"
    assert [message.message_id for message in provider.sent] == [provider.sent[0].message_id] * 2


def test_what_may_have_been_sent_is_never_repeated_by_another_channel(world: Build) -> None:
    provider = RecordingProvider([Unknown("wechat:timeout")])
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.WECHAT, "openid-0000000000000000000001")
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    outreach.consent("ada", Channel.WECHAT, "care", granted=False)
    outreach.execute("UPDATE message SET not_before = 'epoch'")
    assert outreach.dispatch() == 0
    outreach.consent("ada", Channel.WECHAT, "care", granted=True)
    assert outreach.dispatch() == 0
    assert outreach.messages()["ada", 1].state == "unknown"


def test_a_repeat_ends_with_the_time_for_which_the_provider_knows_its_key(world: Build) -> None:
    outreach = world(sms=RecordingProvider([Unknown("wechat:timeout")]))
    outreach.reachable("ada", Channel.WECHAT, "openid-0000000000000000000001")
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    outreach.execute(
        "UPDATE message SET not_before = 'epoch', retry_until = retry_until - interval '8 minutes'"
    )
    assert outreach.dispatch() == 0
    assert outreach.messages()["ada", 1].state == "unknown"


def test_a_late_answer_of_an_older_try_leaves_the_newer_alone(world: Build) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.WECHAT, "openid-0000000000000000000001")
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    (first,) = outreach.queue.claim(10).claimed
    outreach.execute("UPDATE message SET lease_until = clock_timestamp() - interval '1 second'")
    assert outreach.queue.recover() == 1
    outreach.execute("UPDATE message SET not_before = 'epoch'")
    (second,) = outreach.queue.claim(10).claimed
    outreach.queue.record([(first, Rejected("wechat:late", final=True))])
    assert outreach.messages()["ada", 1].state == "sending"
    outreach.queue.record([(second, Accepted("m2"))])
    assert outreach.messages()["ada", 1].state == "accepted"


def test_what_came_of_the_calls_is_counted(world: Build) -> None:
    outcomes: list[Outcome] = [
        Accepted("ref"),
        Rejected("sms:busy", final=False),
        Rejected("sms:no-such-number", final=True),
        Unknown("sms:timeout"),
    ]
    labels = ("accepted", "busy", "rejected", "unknown")
    outreach = world(sms=RecordingProvider(outcomes))
    before = [PROVIDER_ATTEMPTS.labels("sms", label)._value.get() for label in labels]
    for number in range(4):
        outreach.reachable(f"client-{number}", Channel.SMS, f"+861380013800{number}")
        outreach.moved(f"client-{number}", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 4
    after = [PROVIDER_ATTEMPTS.labels("sms", label)._value.get() for label in labels]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1]


def test_a_word_once_given_cannot_be_changed(world: Build) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.SMS, PHONE)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        outreach.execute("UPDATE consent SET granted = false")


def test_a_contact_that_no_key_opens_waits_and_nobody_else_does(world: Build) -> None:
    provider = RecordingProvider()
    outreach = world(sms=provider)
    for client in ("ada", "bob"):
        outreach.reachable(client, Channel.SMS, PHONE)
        outreach.moved(client, 1, NOON)
    outreach.execute("UPDATE contact SET sealed_address = 'gone:AAAA' WHERE client_id = 'ada'")
    outreach.execute("UPDATE permit SET tokens = 10, per_second = 0.001, burst = 10")
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    ada = outreach.messages()["ada", 1]
    assert (ada.state, ada.reason) == ("deferred", "contact-unreadable")
    assert ada.decide_at == NOON + timedelta(minutes=15)
    (permit,) = outreach.rows("SELECT round(tokens) AS left FROM permit WHERE account = 'sms'")
    assert permit.left == 9  # Bob has taken one, Ada none
    assert outreach.messages()["bob", 1].state == "accepted"


def test_before_its_practice_is_known_a_message_waits(world: Build) -> None:
    """Of service, which knows no hours; nobody else waits for it."""
    outreach = world(playbook(directions=["entered"], purpose="service"))
    outreach.reachable("ada", Channel.SMS, PHONE, purpose="service")
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    outreach.execute("DELETE FROM practice")
    assert outreach.dispatch() == 0
    (row,) = outreach.messages().values()
    assert (row.state, row.reason) == ("deferred", "practice-unknown")
    outreach.execute("INSERT INTO practice VALUES ('harbour', 'Harbour', 'Europe/London', 'GBP')")
    outreach.now_is(row.decide_at)
    assert outreach.dispatch() == 1


def test_a_channel_without_room_waits_and_keeps_its_permits(world: Build) -> None:
    outreach = world()
    outreach.execute("UPDATE permit SET tokens = 10, per_second = 0.001, burst = 10")
    for number in range(3):
        outreach.reachable(f"client-{number}", Channel.SMS, f"+861380013800{number}")
        outreach.moved(f"client-{number}", 1, NOON)
    outreach.reachable("ada", Channel.EMAIL, "ada@example.net")
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    room = {Channel.WECHAT: 5, Channel.SMS: 0, Channel.EMAIL: 5}
    assert [one.client_id for one in outreach.queue.claim(10, room).claimed] == ["ada"]
    assert [state for client, state in states(outreach) if client != "ada"] == ["scheduled"] * 3
    tokens = outreach.rows("SELECT account, round(tokens) AS left FROM permit ORDER BY account")
    assert [tuple(row) for row in tokens] == [("email", 9), ("sms", 10), ("wechat", 10)]


def states(outreach: OutreachWorld) -> list[tuple[str, str]]:
    return [(client, row.state) for (client, _), row in outreach.messages().items()]


@pytest.mark.parametrize("text", ["\udcc4\udce3", "\x00", "好", "x" * 5_000])
def test_whatever_a_provider_calls_a_message_is_written_down(world: Build, text: str) -> None:
    outreach = world(sms=RecordingProvider([Accepted(text)]))
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 1
    row = outreach.messages()["ada", 1]
    assert row.state == "accepted"
    assert row.provider_ref == ("x" * 200 if text[0] == "x" else "?" * len(text))
