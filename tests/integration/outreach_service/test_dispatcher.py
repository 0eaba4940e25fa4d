"""The dispatcher on its thread: woken, never held up by one provider, and soon gone."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from outreach_service.dispatcher import DispatcherOptions
from outreach_service.domain.messages import Outcome, Outgoing
from outreach_service.domain.terms import Channel
from rapport_devkit.databases import ServiceDatabase
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.servers.buses import eventually
from tests.support.worlds.outreach import Build, OutreachWorld, worlds

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PHONE = "+8613800138000"
OPENID = "openid-0000000000000000000001"


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Build]:
    with worlds(service_database) as build:
        yield build


class Hanging(RecordingProvider):
    """Answers at once by SMS and e-mail; by WeChat not before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()

    async def send(self, message: Outgoing) -> Outcome:
        answer = await super().send(message)
        while message.channel is Channel.WECHAT and not self.let.is_set():
            await asyncio.sleep(0.01)
        return answer


class StopsWorker(Hanging):
    """Sets `stop` once it was called for both messages, of which one is never answered."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = threading.Event()

    async def send(self, message: Outgoing) -> Outcome:
        if len(self.sent) == 1:
            self.stop.set()
        return await super().send(message)


class Broken(RecordingProvider):
    """Has a fault of our own making, by WeChat."""

    async def send(self, message: Outgoing) -> Outcome:
        if message.channel is Channel.WECHAT:
            raise ZeroDivisionError
        return await super().send(message)


def states(outreach: OutreachWorld) -> dict[str, str]:
    """Each client's message."""
    return {client: row.state for (client, _), row in outreach.messages().items()}


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
            outreach.wakeup.set()
        run.result()


def test_what_was_planned_is_sent_without_waiting_for_the_next_look(world: Build) -> None:
    """The worker's consumer wakes its dispatcher, whose own looks are seldom here."""
    provider = RecordingProvider()
    outreach = world(sms=provider, options=DispatcherOptions(poll_seconds=30))
    outreach.reachable("ada", Channel.SMS, PHONE)
    with running(outreach):
        outreach.moved("ada", 1, NOON)
        outreach.now_is(NOON)
        assert eventually(lambda: len(provider.sent) == 1)


def test_who_has_not_seen_all_that_is_due_goes_on_without_waiting(world: Build) -> None:
    """Nothing of what is looked at first may be sent, and no wakeup comes for the rest."""
    provider = RecordingProvider()
    outreach = world(sms=provider, options=DispatcherOptions(poll_seconds=30, claim_rows=2))
    for client, due in (("ada", 5), ("bob", 4), ("eve", 3)):
        outreach.moved(client, 1, NOON - timedelta(minutes=due))
    outreach.reachable("eve", Channel.SMS, PHONE)
    outreach.now_is(NOON)
    outreach.wakeup.clear()
    with running(outreach):
        assert eventually(lambda: len(provider.sent) == 1)


def test_what_a_provider_said_is_written_down_when_the_database_is_back(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, stop, tries = RecordingProvider(), threading.Event(), []
    outreach = world(sms=provider)
    outreach.reachable("ada", Channel.SMS, PHONE)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    record = outreach.queue.record

    def away_at_first(results: Any) -> None:
        if not results:
            return
        tries.append(results)
        if len(tries) == 1:
            raise sa.exc.OperationalError("record", {}, psycopg.OperationalError("gone"))
        record(results)
        stop.set()

    monkeypatch.setattr(outreach.queue, "record", away_at_first)
    outreach.dispatcher.run(stop)
    assert outreach.messages()["ada", 1].state == "accepted"
    assert (len(provider.sent), len(tries)) == (1, 2)


def test_a_provider_that_takes_too_long_in_all_leaves_the_message_unknown(world: Build) -> None:
    """Each of its steps may be in time; the whole is not."""
    outreach = world(sms=Hanging(), options=DispatcherOptions(call_seconds=0.1))
    outreach.reachable("ada", Channel.WECHAT, OPENID)
    outreach.moved("ada", 1, NOON)
    outreach.now_is(NOON)
    asyncio.run(outreach.dispatcher.run_once())
    message = outreach.messages()["ada", 1]
    assert (message.state, message.reason) == ("unknown", "wechat:deadline")


def one_by_wechat_one_by_sms(outreach: OutreachWorld) -> None:
    """Ada's message goes by WeChat, Bob's by SMS; both are due."""
    outreach.reachable("ada", Channel.WECHAT, OPENID)
    outreach.reachable("bob", Channel.SMS, PHONE)
    for client in ("ada", "bob"):
        outreach.moved(client, 1, NOON)
    outreach.now_is(NOON)


def test_a_provider_that_hangs_holds_up_no_other_channel(world: Build) -> None:
    """What was answered is written down meanwhile, and what falls due is sent (R16)."""
    provider = Hanging()
    outreach = world(sms=provider)
    one_by_wechat_one_by_sms(outreach)
    with running(outreach):
        assert eventually(lambda: states(outreach) == {"ada": "sending", "bob": "accepted"})
        outreach.reachable("eve", Channel.SMS, "+8613800138001")
        outreach.moved("eve", 1, NOON)
        outreach.now_is(NOON + timedelta(minutes=1))
        assert eventually(lambda: states(outreach).get("eve") == "accepted")
        assert states(outreach)["ada"] == "sending"
        provider.let.set()
        assert eventually(lambda: states(outreach)["ada"] == "accepted")


def test_however_much_waits_for_a_provider_that_hangs_others_are_reached(world: Build) -> None:
    """More than a look takes, all of it due before, and due again in a moment."""
    provider = Hanging()
    outreach = world(sms=provider, options=DispatcherOptions(max_in_flight=2, claim_rows=4))
    for number in range(40):
        outreach.reachable(f"client-{number}", Channel.WECHAT, f"{OPENID}{number}")
        outreach.moved(f"client-{number}", 1, NOON - timedelta(minutes=1))
    outreach.reachable("bob", Channel.SMS, PHONE)
    outreach.moved("bob", 1, NOON)
    outreach.now_is(NOON)
    with running(outreach):
        assert eventually(lambda: states(outreach)["bob"] == "accepted")
        assert list(states(outreach).values()).count("sending") == 2
        provider.let.set()
        assert eventually(lambda: set(states(outreach).values()) == {"accepted"})


def test_a_fault_of_ours_is_not_forgotten_while_the_database_is_away(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    outreach = world(sms=Broken())
    one_by_wechat_one_by_sms(outreach)
    record = outreach.queue.record
    away = iter([True])

    def away_at_first(results: Any) -> None:
        if results and next(away, False):
            raise sa.exc.OperationalError("record", {}, psycopg.OperationalError("gone"))
        record(results)

    monkeypatch.setattr(outreach.queue, "record", away_at_first)
    with pytest.raises(ZeroDivisionError):
        outreach.dispatcher.run(threading.Event())
    assert states(outreach) == {"ada": "sending", "bob": "accepted"}


def test_a_worker_that_leaves_waits_for_answers_but_not_for_ever(world: Build) -> None:
    """What came is written down (R2); what did not is settled when its lease has ended."""
    provider = StopsWorker()
    outreach = world(sms=provider, options=DispatcherOptions(drain_seconds=0.3))
    one_by_wechat_one_by_sms(outreach)
    outreach.dispatcher.run(provider.stop)
    assert len(provider.sent) == 2
    assert states(outreach) == {"ada": "sending", "bob": "accepted"}


def test_a_fault_of_ours_ends_the_thread_loudly_and_costs_no_other_answer(world: Build) -> None:
    outreach = world(sms=Broken())
    one_by_wechat_one_by_sms(outreach)
    with pytest.raises(ZeroDivisionError):
        outreach.dispatcher.run(threading.Event())
    assert states(outreach) == {"ada": "sending", "bob": "accepted"}
