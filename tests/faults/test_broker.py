"""A broker that is dead, or came back without its log: workers leave in time, and skip nothing."""

import os
import signal
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, KafkaAdminClient

from rapport_contracts.topics import SOURCE_BOOKINGS, TOPICS
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.kafka import KafkaOptions, KafkaProducer, TopicPlan, ensure_topics
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import TryLater
from tests.support.harness.bad_input import good_event
from tests.support.harness.ingestion import WORKER, IngestionHarness, good, ingestion_harness
from tests.support.places import JARS
from tests.support.servers.broker import first_offset, make_topic, put, read
from tests.support.servers.buses import eventually

pytestmark = pytest.mark.integration
HALTED = 3
MARCH_2024 = 1_709_283_600_000
"""In milliseconds since 1970: longer ago than any topic keeps its records."""
EAGER = {"log.retention.check.interval.ms": "200", "log.initial.task.delay.ms": "100"}
"""A broker that looks for records to be deleted all the time, not every five minutes."""


@pytest.fixture(autouse=True)
def own_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests stop their broker, so it must be one of their own."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_a_worker_leaves_in_time_though_the_broker_died_while_it_was_publishing(
    tmp_path: Path, postgres: Postgres
) -> None:
    """R2: what was not acknowledged stays in the outbox, and the API takes events all the while."""
    with (
        Kafka.start(tmp_path / "kafka", jars=JARS) as kafka,
        ingestion_harness(tmp_path / "dead", postgres, kafka) as harness,
    ):
        kafka.kill()
        harness.practice.post("/v1/events", good_event(1))
        assert eventually(lambda: _waits_for_acknowledgements(harness))
        assert harness.stack.end_child(WORKER) == 0  # killed, had it not left in time
        assert harness.count("outbox") == 1
        assert harness.count("ledger") == 1


def test_a_publisher_that_waited_in_vain_publishes_again_when_the_broker_answers(
    tmp_path: Path,
) -> None:
    """R4: a batch that expires after it was sent must not hold all that comes after it."""
    with Kafka.start(tmp_path / "kafka", jars=JARS) as kafka:
        options = KafkaOptions(bootstrap_servers=kafka.bootstrap, client_id="test")
        ensure_topics(options, [TopicPlan(name="out.v1", partitions=1)])
        producer = KafkaProducer(options, delivery_timeout_ms=3_000)
        producer.publish([_record(b"first")])
        os.kill(kafka.pid, signal.SIGSTOP)
        with pytest.raises(TryLater):
            producer.publish([_record(b"lost")])
        os.kill(kafka.pid, signal.SIGCONT)
        assert eventually(lambda: _is_published(producer), 60)
        assert read(kafka.bootstrap, "out.v1")[-1] == b"again"
        producer.close()


@pytest.mark.parametrize(
    "refilled", [pytest.param(0, id="empty"), pytest.param(40, id="longer than the one before")]
)
def test_a_log_that_came_back_empty_stops_the_worker_until_an_operator_confirms(
    tmp_path: Path, postgres: Postgres, refilled: int
) -> None:
    """R5: offsets of the old log mean something else in the new one; nothing is read by them. After
    `restored --confirm` the new one is read from its beginning."""
    port_of = Kafka.start(tmp_path / "old", jars=JARS)
    with ingestion_harness(tmp_path / f"empty{refilled}", postgres, port_of) as harness:
        harness.send(good(range(20)))
        harness.read_all()
        assert harness.count("ledger") == 20
        worker = harness.stack.child(WORKER)
        worker.freeze()
        port = int(port_of.bootstrap.rpartition(":")[2])
        port_of.destroy()
        with Kafka.start(tmp_path / "new", jars=JARS, port=port):
            ensure_topics(harness.stack.kafka_options("test"), TOPICS)
            if refilled:
                harness.send(good(range(100, 100 + refilled)))
            worker.thaw()
            assert worker.wait(60) == HALTED, worker.log.read_text()
            ((error,),) = harness.rows("SELECT last_error FROM worker")
            assert "anew" in error or "no longer holds" in error
            assert '"action": "loop_halted"' in worker.log.read_text()
            offset = "SELECT next_offset FROM consumer_position WHERE topic = 'source.bookings.v1'"
            assert (20,) in harness.rows(offset)
            assert harness.count("ledger") == 20
            told = harness.stack.operate(
                "ingestion", "restored", "--confirm", "--why", "a drill", "--by", "ann"
            )
            assert "source.bookings.v1 will be read from its beginning" in told
            harness.send(good([300]))
            harness.stack.start_worker("ingestion")
            harness.read_all()
            assert harness.count("ledger") == 21 + refilled


def test_source_records_stamped_long_ago_are_kept_for_a_worker_that_is_away(
    tmp_path: Path, postgres: Postgres
) -> None:
    """F41: a connector or an import gives a record the time of its event; the broker deletes by
    the time at which the record came."""
    with (
        Kafka.start(tmp_path / "kafka", jars=JARS, settings=EAGER) as kafka,
        ingestion_harness(tmp_path / "away", postgres, kafka) as harness,
    ):
        topic = harness.stack.options.topic_prefix + SOURCE_BOOKINGS.name
        harness.stack.child(WORKER).freeze()
        put(kafka.bootstrap, topic, good(range(20)), key=b"ada", timestamp_ms=MARCH_2024)
        _outwait_retention(kafka)
        assert first_offset(kafka.bootstrap, topic) == 0
        harness.stack.child(WORKER).thaw()
        harness.read_all()
        assert harness.count("ledger") == 20


def test_a_worker_does_not_read_a_topic_that_is_not_as_it_must_be(
    tmp_path: Path, postgres: Postgres
) -> None:
    """The worker ends before it reads, and says how to mend it; once mended, the next one reads."""
    with (
        Kafka.start(tmp_path / "kafka", jars=JARS) as kafka,
        ingestion_harness(tmp_path / "wrong", postgres, kafka) as harness,
    ):
        assert harness.stack.end_child(WORKER) == 0
        topic = harness.stack.options.topic_prefix + SOURCE_BOOKINGS.name
        _set(kafka, topic, "CreateTime")
        harness.send(good(range(20)))
        harness.stack.start_worker("ingestion")
        worker = harness.stack.child("ingestion-worker-2")
        assert worker.wait(60) == HALTED, worker.log.read_text()
        ((error,),) = harness.rows("SELECT last_error FROM worker")
        assert f"{topic}: message.timestamp.type is CreateTime, must be LogAppendTime" in error
        assert f"--entity-name {topic} --add-config message.timestamp.type=LogAppendTime" in error
        assert harness.count("ledger") == 0
        _set(kafka, topic, "LogAppendTime")
        harness.stack.start_worker("ingestion")
        harness.read_all()
        assert harness.count("ledger") == 20


def _set(kafka: Kafka, topic: str, timestamp_type: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    settings = {"message.timestamp.type": timestamp_type}
    admin.alter_configs([ConfigResource("TOPIC", topic, settings)])
    admin.close()


def _outwait_retention(kafka: Kafka) -> None:
    """Wait until the broker has looked at every log for records that are too old: until it has
    deleted such a record from two topics of the default settings, one after the other."""
    for number in range(2):
        topic = f"old-{number}"
        make_topic(kafka.bootstrap, topic)
        put(kafka.bootstrap, topic, [b"old"], timestamp_ms=MARCH_2024)
        assert eventually(lambda name=topic: first_offset(kafka.bootstrap, name) == 1)


def _record(value: bytes) -> Outgoing:
    return Outgoing("out.v1", 0, b"k", value)


def _is_published(producer: KafkaProducer) -> bool:
    try:
        producer.publish([_record(b"again")])
    except TryLater:
        return False
    return True


def _waits_for_acknowledgements(harness: IngestionHarness) -> bool:
    """Whether a relay, with its buckets' locks, has done nothing since it read the rows a second
    ago: it has given them to its producer."""
    return bool(
        harness.rows("""
            SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND datname = current_database()
                AND state = 'idle in transaction' AND query LIKE '%FROM outbox%ORDER BY id%'
                AND state_change < clock_timestamp() - interval '1 second'
        """)
    )
