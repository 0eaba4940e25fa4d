"""A database that was restored to an earlier state: nothing is lost silently or sent twice."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from outreach_service.bootstrap import OUTPUT, build_relay, build_stores
from outreach_service.dispatcher import OutboundQueue
from outreach_service.domain.messages import SANDBOX_RETRIES
from outreach_service.domain.terms import Channel
from outreach_service.handlers.messages import approve_message
from outreach_service.handlers.outcomes import recover_lost
from outreach_service.store.fence import fence_off
from outreach_service.store.lost_events import report_lost
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.database import Database
from rapport_runtime.errors import DatabaseIsOlder
from rapport_runtime.stream.look import OutputLook
from rapport_runtime.stream.restored import AfterRestore, Restoration
from rapport_runtime.stream.strays import Input
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.open_cipher import OpenCipher
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.harness.bad_input import PRACTICE, good_event
from tests.support.harness.ingestion import WORKER, IngestionHarness, good, ingestion_harness
from tests.support.servers.backups import back_up, restore
from tests.support.servers.buses import eventually
from tests.support.worlds import outreach, readers
from tests.support.worlds.outreach import OutreachWorld, playbook

pytestmark = pytest.mark.integration
HALTED = 3
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLIENTS = ("ada", "bob", "cem", "dan", "eve")


class TestIngestion:
    """A ledger that forgot facts would give sequences out again that others have folded."""

    @pytest.mark.timeout(900)
    def test_the_worker_stops_before_it_reads_again_and_the_list_names_what_is_lost(
        self, tmp_path: Path, postgres: Postgres, kafka: Kafka
    ) -> None:
        """Two of the lost events lie on the source topic still. Read again they would get the ids
        that they had, and what came by REST alone would look known as well."""
        with ingestion_harness(tmp_path / "restored", postgres, kafka) as harness:
            database = harness.stack.database("ingestion")
            harness.send(good(range(3)))
            harness.read_all()
            backup = back_up(postgres, database)
            harness.send(good((3, 4)))
            harness.practice.post("/v1/events", good_event(5))
            harness.read_all()
            worker = harness.stack.child(WORKER)
            restore(postgres, database, backup)
            assert worker.wait(120) == HALTED, worker.log.read_text()
            another = harness.stack.child(harness.stack.start_worker("ingestion"))
            assert another.wait(120) == HALTED, another.log.read_text()
            assert harness.count("ledger") == 3
            _is_told_to_operators(harness)
            listed = _restored(harness)
            assert _lost_events(listed) == {"good-3", "good-4", "good-5"}
            assert "nothing was changed" in listed
            assert harness.rows("SELECT older_since IS NOT NULL FROM incarnation") == [(True,)]
            _goes_on(harness)


def _is_told_to_operators(harness: IngestionHarness) -> None:
    """The API is not ready, and the metric of the alert is 1."""
    url = harness.stack.url("ingestion")

    def unready() -> bool:
        answer = httpx.get(f"{url}/readyz")
        return answer.status_code == 503 and "older" in answer.json()["reasons"].get("age", "")

    assert eventually(unready)
    metric = 'rapport_database_is_older{group="ingestion-service"} 1.0'
    assert metric in httpx.get(f"{url}/metrics").text


def _goes_on(harness: IngestionHarness) -> None:
    """After the operator's word a worker reads on, under another incarnation; and when what came by
    REST is sent again, readers have each event once."""
    ((before,),) = harness.rows("SELECT digits FROM incarnation")
    told = _restored(harness, "--confirm", "--repair", "--why", "a drill", "--by", "ann")
    ((after,),) = harness.rows("SELECT digits FROM incarnation")
    assert before != after
    assert f"incarnation {before} ended, {after} begins" in told
    assert "repaired: 1 clients are rebuilt" in told
    audited = harness.rows("SELECT who, action, kind, subject, why FROM audit")
    assert audited == [("ann", "restored", "database", after, "a drill")]
    harness.stack.start_worker("ingestion")
    harness.stack.wait_ready(["ingestion-worker-3", "ingestion-api"])
    harness.read_all()
    assert harness.count("ledger") == 5
    harness.practice.post("/v1/events", good_event(5))
    harness.read_all()
    assert harness.count("ledger") == 6
    assert harness.log.events("client-activity.v1")[-1]["incarnation"] == after
    (ada,) = readers.read(harness.log.values("client-activity.v1")).values()
    assert ada.beside is None
    assert sum(number for number, _ in ada.current.sums.values()) == 6


def _restored(harness: IngestionHarness, *arguments: str) -> str:
    """What the command prints, where a worker runs."""
    return harness.stack.operate("ingestion", "restored", *arguments)


def _lost_events(listed: str) -> set[str]:
    """The ids of the source events in the list, each of this practice's source."""
    cells = [line.split("\t") for line in listed.splitlines() if line.startswith("event\t")]
    assert {(each[1], each[2]) for each in cells} == {(PRACTICE.practice_id, PRACTICE.source)}
    return {each[3] for each in cells}


class TestOutreach:
    """A queue that forgot what it has sent would send it again."""

    def test_a_worker_on_a_restored_database_sends_nothing(
        self, postgres: Postgres, lives: "Lives"
    ) -> None:
        provider, world = lives.first()
        backup = back_up(postgres, lives.database)
        lives.end_after_sending(postgres, world, backup)
        database = Database(lives.database.worker_url, application_name="new worker")
        database.vet(OutputLook(database, OUTPUT, lambda: world.bus))
        stores = build_stores(database, simulated=True)
        queue = OutboundQueue(
            stores, OpenCipher(), SANDBOX_RETRIES, dispatch_options(lease_seconds=9)
        )
        for use in (lambda: queue.claim(10), queue.recover, build_relay(database, world.bus).drain):
            with pytest.raises(DatabaseIsOlder):
                use()
        database.close()
        assert len(provider.sent) == len(CLIENTS)

    @pytest.mark.parametrize("planned", [True, False], ids=["planned before", "planned again"])
    def test_what_was_due_before_the_restore_waits_for_a_person(
        self, postgres: Postgres, lives: "Lives", *, planned: bool
    ) -> None:
        """Also what is planned again, because the restored positions lie before its causes."""
        provider, world = lives.first(moves=planned)
        backup = back_up(postgres, lives.database)
        if not planned:
            lives.move(world)
        lives.end_after_sending(postgres, world, backup)
        lines = lives.confirm(world)
        assert sum(line.startswith("message\t") for line in lines) == len(CLIENTS)
        again = lives.next(world)
        again.now_is(NOON + timedelta(minutes=2))
        assert again.dispatch() == 0
        states = {(row.state, row.reason) for row in again.messages().values()}
        assert states == {("awaiting_staff", "restored")}
        again.now_is(NOON + timedelta(days=1))
        assert again.dispatch() == 0
        assert len(provider.sent) == len(CLIENTS)

    def test_a_person_lets_one_of_them_go_and_later_ones_go_by_themselves(
        self, postgres: Postgres, lives: "Lives"
    ) -> None:
        provider, world = lives.first()
        backup = back_up(postgres, lives.database)
        lives.end_after_sending(postgres, world, backup)
        lives.confirm(world)
        again = lives.next(world)
        again.now_is(NOON + timedelta(minutes=2))
        assert again.dispatch() == 0
        message_id = again.messages()["ada", 1].message_id
        approve_message(again.stores, outreach.PRACTICE, message_id)
        again.moved("fay", 1, NOON + timedelta(minutes=3))
        again.now_is(NOON + timedelta(minutes=4))
        again.dispatch()
        assert [each.recipient for each in provider.sent[len(CLIENTS) :]] == [
            *sorted(("ada@example.org", "fay@example.org"))
        ]

    def test_an_approval_from_before_the_restore_does_not_count(
        self, postgres: Postgres, lives: "Lives"
    ) -> None:
        provider, world = lives.first()
        world.execute("UPDATE message SET approved = true")
        backup = back_up(postgres, lives.database)
        lives.end_after_sending(postgres, world, backup)
        lives.confirm(world)
        again = lives.next(world)
        again.now_is(NOON + timedelta(minutes=2))
        assert again.dispatch() == 0
        assert len(provider.sent) == len(CLIENTS)

    def test_a_message_that_waited_for_approval_already_says_that_it_may_have_gone(
        self, postgres: Postgres, lives: "Lives"
    ) -> None:
        provider, world = lives.first()
        world.execute(
            "UPDATE message SET state = 'awaiting_staff', reason = 'mode:awaiting-approval',"
            " decide_at = due_at + interval '1 day'"
        )
        backup = back_up(postgres, lives.database)
        for each in list(world.messages().values()):
            approve_message(world.stores, outreach.PRACTICE, each.message_id)
        lives.end_after_sending(postgres, world, backup)
        lives.confirm(world)
        again = lives.next(world)
        waiting = {("awaiting_staff", "restored")}
        assert {(row.state, row.reason) for row in again.messages().values()} == waiting
        again.now_is(NOON + timedelta(minutes=2))
        assert again.dispatch() == 0
        assert {(row.state, row.reason) for row in again.messages().values()} == waiting
        decided_at = NOON + timedelta(minutes=2)
        assert {row.changed_at for row in again.messages().values()} == {decided_at}
        assert len(provider.sent) == len(CLIENTS)

    def test_after_a_second_restore_the_list_still_says_what_was_sent(
        self, postgres: Postgres, lives: "Lives"
    ) -> None:
        """The first restore has planned the messages again: they wait, and look unsent."""
        _, world = lives.first()
        backups = [back_up(postgres, lives.database) for _ in range(2)]
        lives.end_after_sending(postgres, world, backups[0])
        lives.confirm(world)
        again = lives.next(world)
        again.now_is(NOON + timedelta(minutes=2))
        assert again.dispatch() == 0
        again.now_is(NOON + timedelta(minutes=3))
        restore(postgres, lives.database, backups[1])
        listed = [line.split("\t") for line in lives.confirm(again) if line.startswith("message\t")]
        assert [each[5] for each in listed] == ["accepted"] * len(CLIENTS)
        assert {each[7] for each in listed} == {"later awaiting_staff"}

    @pytest.mark.parametrize("state", ["sending", "unknown"])
    def test_an_approval_from_before_does_not_repeat_what_may_have_been_sent(
        self, postgres: Postgres, lives: "Lives", state: str
    ) -> None:
        provider, world = lives.first()
        world.execute("UPDATE message SET approved = true")
        assert world.dispatch() == len(CLIENTS)
        world.execute("UPDATE attempt SET finished_at = NULL, outcome = NULL")
        world.execute(
            "UPDATE message SET state = :state, lease_until = now(), retry_until ="
            " CASE :state WHEN 'unknown' THEN now() + interval '1 hour' END",
            state=state,
        )
        backup = back_up(postgres, lives.database)
        world.now_is(NOON + timedelta(minutes=1))
        restore(postgres, lives.database, backup)
        lives.confirm(world)
        again = lives.next(world)
        again.now_is(NOON + timedelta(minutes=2))
        recover_lost(again.stores, dict.fromkeys(Channel, SANDBOX_RETRIES[Channel.WECHAT]))
        again.execute("UPDATE message SET not_before = now()")
        assert again.dispatch() == 0
        assert {row.state for row in again.messages().values()} == {"unknown"}
        assert len(provider.sent) == len(CLIENTS)


class Lives:
    """The worlds of one database and one bus, one after the other."""

    def __init__(self, database: ServiceDatabase) -> None:
        self.database = database
        self.worlds: list[OutreachWorld] = []
        self._provider = RecordingProvider()
        self._book = playbook(directions=["entered"], channels=["email"])

    def first(self, *, moves: bool = True) -> tuple[RecordingProvider, OutreachWorld]:
        """Five clients and one more; with `moves` the five have a message that is due."""
        world = self._world()
        for client_id in (*CLIENTS, "fay"):
            world.reachable(client_id, Channel.EMAIL, f"{client_id}@example.org")
        world.now_is(NOON - timedelta(minutes=1))
        if moves:
            self.move(world)
        return self._provider, world

    def move(self, world: OutreachWorld) -> None:
        """Each of the five enters a tier, and time comes to the minute after."""
        for client_id in CLIENTS:
            world.moved(client_id, 1, NOON - timedelta(seconds=30))
        world.now_is(NOON)

    def end_after_sending(self, postgres: Postgres, world: OutreachWorld, backup: str) -> None:
        """The five messages go out; a minute later the database is that of the backup again."""
        assert world.dispatch() == len(CLIENTS)
        world.now_is(NOON + timedelta(minutes=1))
        restore(postgres, self.database, backup)

    def next(self, world: OutreachWorld) -> OutreachWorld:
        """A new worker on the same bus."""
        return self._world(bus=world.bus)

    def confirm(self, world: OutreachWorld) -> list[str]:
        """An operator gives the command `restored --confirm`."""
        database = Database(self.database.worker_url, application_name="operator")
        reads = Input("outreach-service", [])
        after = AfterRestore(reads=reads, again="", report=report_lost, on_confirm=fence_off)
        try:
            return Restoration(
                database, OUTPUT, lambda: world.bus, after, is_simulated=True
            ).confirm("ann", "a drill")
        finally:
            database.close()

    def close(self) -> None:
        """Give connections back."""
        for world in self.worlds:
            world.close()

    def _world(self, **options: object) -> OutreachWorld:
        providers = dict.fromkeys(Channel, self._provider)
        self.worlds.append(
            OutreachWorld(self.database, self._book, providers, **options)  # type: ignore[arg-type]
        )
        return self.worlds[-1]


@pytest.fixture
def lives(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Lives]:
    made = Lives(service_database("outreach"))
    yield made
    made.close()
