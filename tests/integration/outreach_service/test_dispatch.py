"""From a tier change to one provider call: never doubled, never against a client's word."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from outreach_service import dispatcher
from outreach_service.domain.messages import Accepted, Outcome, Outgoing, Rejected, Unknown
from outreach_service.domain.terms import Channel
from outreach_service.providers.recording import RecordingProvider
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.metrics import PROVIDER_ATTEMPTS
from tests.support.buses import eventually
from tests.support.outreach_world import OutreachWorld, playbook

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PHONE = "+8613800138000"
Build = Callable[..., OutreachWorld]


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Build]:
    made: list[OutreachWorld] = []

    def build(
        book: Mapping[str, Any] | None = None, sms: RecordingProvider | None = None
    ) -> OutreachWorld:
        provider = sms or RecordingProvider()
        providers = dict.fromkeys(Channel, provider)
        one = OutreachWorld(
            service_database("outreach"), book or playbook(directions=["entered"]), providers
        )
        made.append(one)
        return one

    yield build
    for one in made:
        one.close()


@contextmanager
def running(outreach: OutreachWorld) -> Iterator[None]:
    """The dispatcher on a thread of its own; its own looks must be made seldom before."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(outreach.dispatcher.run, stop)
        try:
            yield
        finally:
            stop.set()
            outreach.bell.set()
        run.result()


def test_what_was_planned_is_sent_without_waiting_for_the_next_look(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's consumer rings for its dispatcher, whose own looks are seldom here."""
    monkeypatch.setattr(dispatcher, "LOOK_SECONDS", 30.0)
    provider = RecordingProvider()
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    with running(outreach):
        outreach.moved("ada", 1, NOON)
        outreach.now_is(NOON)
        assert eventually(lambda: len(provider.sent) == 1)


def test_who_has_not_seen_all_that_is_due_goes_on_without_waiting(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what is looked at first may be sent, and no bell rings for the rest."""
    monkeypatch.setattr(dispatcher, "LOOK_SECONDS", 30.0)
    monkeypatch.setattr(dispatcher, "CLAIM_ROWS", 2)
    provider = RecordingProvider()
    outreach = world(sms=provider)
    for client, due in (("ada", 5), ("bob", 4), ("eve", 3)):
        outreach.moved(client, 1, NOON - timedelta(minutes=due))
    outreach.reachable("eve", Channel.SMS, PHONE)
    outreach.now_is(NOON)
    outreach.bell.clear()
    with running(outreach):
        assert eventually(lambda: len(provider.sent) == 1)


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
    assert [news.state for news in outreach.announced()] == ["scheduled", "sending", "accepted"]


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
            id="the last word was no",
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
        claims = [pool.submit(outreach.desk.claim, 3) for _ in range(32)]
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
    assert [row.reason for row in waiting] == ["rate-limit"] * 3
    outreach.execute("UPDATE permit SET tokens = 2")
    outreach.execute("UPDATE message SET not_before = 'epoch'")
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
    (claimed,) = outreach.desk.claim(10).claimed
    assert outreach.desk.recover() == 0
    outreach.execute("UPDATE message SET lease_until = clock_timestamp() - interval '1 second'")
    assert outreach.desk.recover() == 1
    assert outreach.messages()["ada", 1].state == "unknown"
    assert outreach.desk.claim(10).claimed == []
    outreach.desk.record([(claimed, Accepted("late"))])
    assert outreach.messages()["ada", 1].state == "accepted"


def test_consent_withdrawn_before_the_claim_commits_is_heard(world: Build) -> None:
    class Withdrawing(RecordingProvider):
        async def send(self, message: Outgoing) -> Outcome:
            raise AssertionError(message.message_id)

    outreach = world(sms=Withdrawing())
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    outreach.consent("ada", Channel.SMS, "care", granted=False)
    assert outreach.dispatch() == 0


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
    (first,) = outreach.desk.claim(10).claimed
    outreach.execute("UPDATE message SET lease_until = clock_timestamp() - interval '1 second'")
    assert outreach.desk.recover() == 1
    outreach.execute("UPDATE message SET not_before = 'epoch'")
    (second,) = outreach.desk.claim(10).claimed
    outreach.desk.record([(first, Rejected("wechat:late", final=True))])
    assert outreach.messages()["ada", 1].state == "sending"
    outreach.desk.record([(second, Accepted("m2"))])
    assert outreach.messages()["ada", 1].state == "accepted"


def test_what_came_of_the_calls_is_counted(world: Build) -> None:
    outcomes: list[Outcome] = [
        Accepted("ref"),
        Rejected("sms:busy", final=False),
        Rejected("sms:no-such-number", final=True),
        Unknown("sms:timeout"),
    ]
    words = ("accepted", "busy", "rejected", "unknown")
    outreach = world(sms=RecordingProvider(outcomes))
    before = [PROVIDER_ATTEMPTS.labels("sms", word)._value.get() for word in words]
    for number in range(4):
        outreach.reachable(f"client-{number}", Channel.SMS, f"+861380013800{number}")
        outreach.moved(f"client-{number}", 1, NOON)
    outreach.now_is(NOON)
    assert outreach.dispatch() == 4
    after = [PROVIDER_ATTEMPTS.labels("sms", word)._value.get() for word in words]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1]


def test_a_word_once_given_cannot_be_changed(world: Build) -> None:
    outreach = world()
    outreach.reachable("ada", Channel.SMS, PHONE)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        outreach.execute("UPDATE consent SET granted = false")


def test_what_a_provider_said_is_written_down_when_the_database_is_back(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, stop, tries = RecordingProvider(), threading.Event(), []
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    record = outreach.desk.record

    def away_at_first(results: Any) -> None:
        if not results:
            return
        tries.append(results)
        if len(tries) == 1:
            raise sa.exc.OperationalError("record", {}, psycopg.OperationalError("gone"))
        record(results)
        stop.set()

    monkeypatch.setattr(outreach.desk, "record", away_at_first)
    outreach.dispatcher.run(stop)
    assert outreach.messages()["ada", 1].state == "accepted"
    assert (len(provider.sent), len(tries)) == (1, 2)
