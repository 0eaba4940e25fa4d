"""A worker says that it lives only while broker and database answer, and it leaves in good time."""

import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_devkit.processes import Supervised, Supervisor
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.errors import LoopHalted, TopicsDiffer, TryLater
from rapport_runtime.stream import worker
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.worker import Worker, WorkerOptions
from tests.support.servers import toy_worker
from tests.support.servers.buses import OnKafka, eventually, settle
from tests.support.worlds.toy_ledger import GROUP, TOPIC, Ledger, bad_words, loop_of, partition, put

pytestmark = pytest.mark.integration
FLOOD = "rapport_dead_letters_of_one_practice_records"
ROOT = Path(toy_worker.__file__).parents[3]
JARS = ROOT / ".local" / "kafka" / "jars"


class TestInProcess:
    """The worker's own logic, on the bus in memory."""

    def worker(
        self,
        bus: MemoryBus,
        ledger: Ledger,
        *steps: Callable[[], None],
        options: WorkerOptions | None = None,
        max_consecutive: int = 2,
    ) -> Worker:
        consumer = bus.consumer(GROUP, [TOPIC])
        loop = loop_of(consumer, ledger, DeadLetterLimit(max_consecutive=max_consecutive))
        return Worker(
            group=GROUP,
            consumer=consumer,
            database=ledger.database,
            loop=loop,
            between_polls=steps,
            options=options,
        )

    def test_it_says_what_it_holds_while_it_runs_and_nothing_when_it_has_left(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        bus.append(TOPIC, 0, b"k", b"a")
        stop = threading.Event()
        seen: list[Any] = []

        def look() -> None:
            seen[:] = ledger.rows("SELECT * FROM worker")
            if seen:
                stop.set()

        assert self.worker(bus, ledger, look).run(stop) == 0
        (row,) = seen
        assert (row.consumer_group, row.partitions) == (GROUP, [f"{TOPIC}/0", f"{TOPIC}/1"])
        assert row.lag is not None
        assert row.last_error is None
        assert ledger.rows("SELECT 1 FROM worker") == []
        assert bus.members[GROUP] == []

    def test_a_halt_ends_it_with_3_and_stays_to_be_read(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        for word in (b"bad@east", b"bad@south"):
            bus.append(TOPIC, 0, b"k", word)
        assert self.worker(bus, ledger).run(threading.Event()) == 3
        (row,) = ledger.rows("SELECT * FROM worker")
        assert "2 invalid records" in row.last_error
        assert bus.members[GROUP] == []

    def test_it_tells_what_only_a_worker_sees(self, bus: MemoryBus, ledger: Ledger) -> None:
        for word in (b"bad1", b"a"):
            bus.append(TOPIC, 0, b"k", word)
        subject = self.worker(
            bus, ledger, options=WorkerOptions(count_seconds=0.0, stale_seconds=5.0)
        )
        for _ in range(3):
            subject._loop.turn(threading.Event())
        bus.append(TOPIC, 1, b"k", b"b")
        subject._beat()
        held, of = "rapport_dead_letters_held_records", {"group": GROUP}
        assert REGISTRY.get_sample_value(held, of | {"reason": "unreadable"}) == 1
        assert REGISTRY.get_sample_value(FLOOD, of | {"reason": "unreadable"}) == 1
        assert REGISTRY.get_sample_value("rapport_worker_ready", of) == 1
        where = of | {"topic": TOPIC, "partition": "1"}
        assert REGISTRY.get_sample_value("rapport_lag_records", where) == 1
        ledger.run("DELETE FROM dead_letter")
        bus.consumer(GROUP, [TOPIC])  # takes partition 1
        subject._loop.turn(threading.Event())
        subject._beat()
        assert REGISTRY.get_sample_value(held, of | {"reason": "unreadable"}) == 0
        assert REGISTRY.get_sample_value(FLOOD, of | {"reason": "unreadable"}) == 0
        assert REGISTRY.get_sample_value("rapport_lag_records", where) is None
        subject.heartbeat.stale_seconds = 0.0
        assert REGISTRY.get_sample_value("rapport_worker_ready", of) == 0

    def test_it_tells_the_flood_of_one_practice_from_a_few_of_many(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        """By reason, of the last hour; which practice it is stands in the table, in no label."""
        practices = [f"p{number}" for number in range(5)]
        values = [*bad_words(7, "east"), *bad_words(5, *practices), "reject", "reject"]
        put(bus, 0, *values)
        often = WorkerOptions(count_seconds=0.0)
        subject = self.worker(bus, ledger, options=often, max_consecutive=100)
        for _ in range(3):
            subject._loop.turn(threading.Event())
        put(bus, 0, *bad_words(9, "west"))
        subject._loop.turn(threading.Event())
        ledger.run(
            "UPDATE dead_letter SET received_at = now() - interval '61 minutes'"
            " WHERE named_practice = 'west'"
        )
        subject._beat()
        counted = {
            name: [
                REGISTRY.get_sample_value(name, {"group": GROUP, "reason": reason})
                for reason in ("unreadable", "impossible")
            ]
            for name in ("rapport_dead_letters_held_records", FLOOD)
        }
        assert counted == {"rapport_dead_letters_held_records": [21, 2], FLOOD: [7, 2]}

    def test_a_step_that_halts_halts_the_worker(self, bus: MemoryBus, ledger: Ledger) -> None:
        def halt() -> None:
            raise LoopHalted("told to")

        assert self.worker(bus, ledger, halt).run(threading.Event()) == 3

    def test_it_reads_nothing_before_its_topics_were_seen(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        bus.append(TOPIC, 0, b"k", b"a")
        stop, looks, read = threading.Event(), iter([TryLater("no answer"), None]), []

        def look() -> None:
            read.extend(ledger.entries())
            answer = next(looks)
            if answer is not None:
                raise answer

        def until_read() -> None:
            if ledger.entries() == ["a"]:
                stop.set()

        assert self.worker(bus, ledger, until_read).run(stop, look) == 0
        assert read == []
        assert next(looks, "no third look") == "no third look"

    def test_topics_that_are_not_as_they_must_be_end_it_with_3_and_stay_to_be_read(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        bus.append(TOPIC, 0, b"k", b"a")

        def differ() -> None:
            raise TopicsDiffer("topic.v1 has 4 partitions, must have 16")

        assert self.worker(bus, ledger).run(threading.Event(), differ) == 3
        (row,) = ledger.rows("SELECT * FROM worker")
        assert row.last_error == "topic.v1 has 4 partitions, must have 16"
        assert ledger.entries() == []

    def test_it_leaves_in_time_though_its_topics_were_never_seen(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        stop = threading.Event()

        def never() -> None:
            stop.set()
            raise TryLater("no answer")

        assert self.worker(bus, ledger).run(stop, never) == 0
        assert ledger.rows("SELECT 1 FROM worker") == []

    def test_without_the_broker_the_heartbeat_stops_and_it_recovers(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        stop = threading.Event()
        subject = self.worker(
            bus, ledger, options=WorkerOptions(beat_seconds=0.01, stale_seconds=0.3)
        )
        thread = threading.Thread(target=subject.run, args=(stop,))
        thread.start()
        try:
            assert eventually(lambda: bool(ledger.rows("SELECT 1 FROM worker")))
            assert subject.heartbeat.ready() is None
            bus.down = True
            dead = "s: waits for the broker"
            assert eventually(lambda: (subject.heartbeat.ready() or "").endswith(dead))
            (row,) = ledger.rows("SELECT * FROM worker")
            assert row.last_error == "broker: TryLater: the bus in memory is down"
            bus.down = False
            assert eventually(lambda: subject.heartbeat.ready() is None)
            assert eventually(lambda: subject.heartbeat.waits_for is None)
        finally:
            stop.set()
            thread.join()

    def test_without_the_database_the_heartbeat_stops(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "_BEAT", "SELECT pg_terminate_backend(pg_backend_pid())")
        subject = self.worker(
            bus, ledger, options=WorkerOptions(beat_seconds=0.01, stale_seconds=0.0)
        )
        beat_at = subject.heartbeat.beat_at
        stop = threading.Event()
        threading.Timer(0.5, stop.set).start()
        assert subject.run(stop) == 0
        assert subject.heartbeat.beat_at == beat_at
        assert (subject.heartbeat.ready() or "").endswith("s: waits for the database")

    def test_a_turn_that_takes_long_is_told_from_a_server_that_does_not_answer(self) -> None:
        told = worker.Heartbeat(stale_seconds=0.0).ready()
        assert told == "no progress for 0 s: a turn takes so long"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path) as supervisor:
        yield supervisor


def start(
    processes: Supervisor, folder: Path, kafka: OnKafka, database: ServiceDatabase
) -> Supervised:
    arguments = {
        "bootstrap": kafka.options.bootstrap_servers,
        "prefix": kafka.options.topic_prefix,
        "database": database.worker_url,
        "port": str(folder / "port"),
        "stale_seconds": "2",
    }
    return processes.start(
        "toy",
        [sys.executable, "-m", "tests.support.servers.toy_worker", json.dumps(arguments)],
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )


def ready(port: Path) -> int:
    """The status of /readyz; 0 while there is none."""
    try:
        address = f"http://127.0.0.1:{port.read_text()}/readyz"
        with urllib.request.urlopen(address, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


class TestAProcess:
    """A worker of its own on Apache Kafka."""

    def test_sigterm_under_load_ends_it_quickly_and_hands_over_at_once(
        self,
        kafka: Kafka,
        runtime_database: ServiceDatabase,
        ledger: Ledger,
        processes: Supervisor,
        tmp_path: Path,
    ) -> None:
        bus = OnKafka(kafka.bootstrap)
        bus.create(TOPIC, 4)
        values = [f"w{number}" for number in range(2_000)]
        bus.put_many((partition(number % 4), value.encode()) for number, value in enumerate(values))
        child = start(processes, tmp_path, bus, runtime_database)
        assert eventually(lambda: len(ledger.entries()) > 0), child.log.read_text()
        assert child.terminate(60) == 0, child.log.read_text()
        assert ledger.rows("SELECT 1 FROM worker") == []
        successor = bus.consumer(GROUP, [TOPIC])
        settle(successor, want=4, seconds=60)  # long before the child's session would time out
        loop = loop_of(successor, ledger, assignment=AssignmentOptions())
        stop = threading.Event()
        assert eventually(lambda: loop.turn(stop) >= 0 and len(ledger.entries()) >= len(values))
        assert sorted(ledger.entries()) == sorted(values)
        bus.close()

    def test_with_a_dead_broker_it_is_not_ready_and_still_ends_in_time(
        self,
        runtime_database: ServiceDatabase,
        ledger: Ledger,
        processes: Supervisor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        broker = Kafka.start(tmp_path / "kafka", jars=JARS)
        bus = OnKafka(broker.bootstrap)
        bus.create(TOPIC, 4)
        bus.put(partition(0), b"a")
        child = start(processes, tmp_path, bus, runtime_database)
        assert eventually(lambda: ledger.entries() == ["a"]), child.log.read_text()
        assert eventually(lambda: ready(tmp_path / "port") == 200)
        bus.close()
        broker.kill()
        assert eventually(lambda: ready(tmp_path / "port") == 503)
        assert child.terminate(60) == 0, child.log.read_text()
        broker.destroy()
