"""At 3 a.m.: stop all outreach of a practice now. From then on not one call goes out for it."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from outreach_service.bootstrap import PAUSABLE
from outreach_service.domain.terms import Channel
from outreach_service.ports import GROUP
from outreach_service.store import queue
from outreach_service.store.status import OutreachStatus
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.ops import pauses
from rapport_runtime.ops.pauses import EVERY_WORKER, Kind, NoSuchSubject, PauseRequest
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.topics import partitions_of
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.servers.buses import eventually
from tests.support.worlds.outreach import PRACTICE, OutreachWorld, playbook

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class World(OutreachWorld):
    """Outreach with one provider and a handle for operators."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.urls = urls
        self.provider = RecordingProvider()
        book = playbook(directions=["entered"])
        super().__init__(urls, book, dict.fromkeys(Channel, self.provider))

    def pause(self, kind: Kind, subject: str) -> bool:
        with self.database.transaction() as tx:
            request = PauseRequest("key k1", kind, subject, "complaint")
            return pauses.pause(tx, PAUSABLE, request).changed

    def resume(self, kind: Kind, subject: str) -> bool:
        with self.database.transaction() as tx:
            return pauses.resume(tx, PAUSABLE, PauseRequest("key k1", kind, subject, "solved"))

    def due(self, *clients: str) -> None:
        """Messages that are to go now."""
        for number, client in enumerate(clients):
            self.reachable(client, Channel.SMS, f"+86138001380{number:02}")
            self.moved(client, 1, NOON)
        self.now_is(NOON)


@pytest.fixture
def outreach(service_database: Callable[[str], ServiceDatabase]) -> Iterator[World]:
    made = World(service_database("outreach"))
    made.now_is(NOON.replace(hour=8))  # the practice is known
    yield made
    made.close()


@pytest.mark.parametrize("mutant", [False, True])
def test_a_paused_practice_sends_nothing(
    outreach: World, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    if mutant:
        check = f"WHERE NOT {pauses.paused('practice', 'due.practice_id')}"
        assert queue._DUE.count(check) == 1
        monkeypatch.setattr(queue, "_DUE", queue._DUE.replace(check, ""))
    outreach.due("ada", "bob")
    assert outreach.pause("practice", PRACTICE)
    while outreach.dispatch():
        pass
    survives = outreach.provider.sent == []
    assert survives is not mutant


def test_after_resume_each_goes_once(outreach: World) -> None:
    outreach.due("ada", "bob")
    outreach.pause("practice", PRACTICE)
    assert not outreach.pause("practice", PRACTICE)
    assert outreach.dispatch() == 0
    assert {row.state for row in outreach.messages().values()} == {"scheduled"}
    assert outreach.resume("practice", PRACTICE)
    assert not outreach.resume("practice", PRACTICE)
    assert outreach.dispatch() == 2
    assert outreach.dispatch() == 0


def test_another_practices_messages_go_on(outreach: World) -> None:
    outreach.due("ada")
    outreach.execute("INSERT INTO practice VALUES ('south', 'South', 'Europe/London', 'GBP')")
    outreach.pause("practice", "south")
    assert outreach.dispatch() == 1


def test_a_misspelt_practice_does_not_seem_paused(outreach: World) -> None:
    with pytest.raises(NoSuchSubject):
        outreach.pause("practice", "harbor")
    assert outreach.rows("SELECT 1 FROM pause") == []


def test_the_apis_role_can_pause_and_be_audited(outreach: World) -> None:
    outreach.due("ada")
    api = Database(outreach.urls.api_url, application_name="api")
    with api.transaction(PRACTICE, operator=True) as tx:
        request = PauseRequest("key k1", "practice", PRACTICE, "complaint")
        assert pauses.pause(tx, PAUSABLE, request).changed
    api.close()
    assert outreach.dispatch() == 0
    (entry,) = outreach.rows("SELECT who, action, kind, subject, why FROM audit")
    assert tuple(entry) == ("key k1", "pause", "practice", PRACTICE, "complaint")
    with pytest.raises(sa.exc.DBAPIError):
        outreach.execute("UPDATE audit SET why = 'nothing'")


def test_a_paused_worker_sends_nothing_either(outreach: World) -> None:
    outreach.due("ada")
    outreach.pause("worker", EVERY_WORKER)
    assert outreach.dispatch() == 0
    outreach.resume("worker", EVERY_WORKER)
    assert outreach.dispatch() == 1


def test_a_running_dispatcher_obeys_within_seconds(outreach: World) -> None:
    """Every message is claimed by its own transaction here, so there is much to stop."""
    outreach.execute("UPDATE permit SET tokens = 1, per_second = 20, burst = 1")
    outreach.due(*(f"client-{number}" for number in range(90)))
    stop = threading.Event()
    thread = threading.Thread(target=outreach.dispatcher.run, args=(stop,))
    thread.start()
    try:
        assert eventually(lambda: len(outreach.provider.sent) > 0, 30)
        outreach.pause("practice", PRACTICE)
        (row,) = outreach.rows("SELECT clock_timestamp() + interval '5 seconds' AS at")
        stop.wait(1)
        stopped_with = len(outreach.provider.sent)
        stop.wait(1)
        assert len(outreach.provider.sent) == stopped_with < 90
    finally:
        stop.set()
        thread.join()
    (last,) = outreach.rows("SELECT max(started_at) AS at FROM attempt")
    assert last.at < row.at


def test_its_waiting_messages_hold_nobodys_time_up(outreach: World) -> None:
    outreach.due("ada")
    timed = partitions_of(topics.CLIENT_ACTIVITY, topics.TIER_CHANGES)
    runtime_status = DatabaseStatus(outreach.database, GROUP, GROUP, timed=timed)
    status = OutreachStatus(outreach.database, runtime_status)
    assert status.status().oldest_due_at == NOON
    outreach.pause("practice", PRACTICE)
    paused = status.status()
    assert (paused.oldest_due_at, paused.business_time) == (None, NOON)
    assert [(each.kind, each.subject, each.why) for each in paused.pauses] == [
        ("practice", PRACTICE, "complaint")
    ]
