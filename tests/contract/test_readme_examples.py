"""The README's subscriber and producer, as printed, on Apache Kafka, with nothing else of ours."""

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion_service.bootstrap import build_consumer, build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.declaring import declare_source
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source
from ingestion_service.handlers import register_practice
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode
from rapport_devkit.kafka import Kafka
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.contracts.documents import PACKAGE
from tests.support.deploy.wheel_environment import WheelEnvironment
from tests.support.doubles.known_secrets import RECORD_KEYS, RECORD_SETTINGS
from tests.support.servers.buses import OnKafka, eventually

pytestmark = pytest.mark.integration
SECONDS = 60
PRACTICE, SOURCE = PracticeId("lantern-harbour"), "moon-gate-desk"
"""Those that the examples name."""
TIERS = TopicPartition(topics.TIER_CHANGES.name, 0)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, contracts_wheel: Path) -> str:
    """An interpreter that has the contracts and kafka-python, and no other code of ours."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    return str(WheelEnvironment(folder, contracts_wheel, others=["kafka-python"]).python)


@pytest.fixture
def bus(kafka: Kafka) -> Iterator[OnKafka]:
    made = OnKafka(kafka.bootstrap)
    for topic in (*TOPICS, topics.TIER_CHANGES):
        made.create(topic.name, topic.partitions)
    yield made
    made.close()


def script(example: str, bus: OnKafka, folder: Path) -> Path:
    """The example, with the test's broker and prefix in place of the ones it names."""
    printed = 'BROKERS, PREFIX = "localhost:9092", ""'
    assert example.count(printed) == 1
    here = (bus.options.bootstrap_servers, bus.options.topic_prefix)
    example = example.replace(printed, f"BROKERS, PREFIX = {here!r}")
    path = folder / "example.py"
    path.write_text(example, "utf-8")
    return path


def example_of(event_type: str, name: str) -> dict[str, Any]:
    path = PACKAGE / "examples" / event_type / f"{name}.json"
    return json.loads(path.read_bytes())


def change(version: int, from_tier: str | None, to_tier: str) -> bytes:
    event = example_of("rapport.tier.changed.v1", "entered")
    event["data"] |= {"version": version, "from_tier": from_tier, "to_tier": to_tier}
    event["data"]["client_id"] = "c1"
    return json.dumps(event).encode()


@pytest.mark.parametrize("heading", ["Subscribe", "Produce"])
def test_an_example_is_no_longer_than_promised(readme_examples: dict[str, str], heading: str):
    lines = [line for line in readme_examples[heading].splitlines() if line.strip()]
    assert 5 < len(lines) <= 20


def test_the_subscriber_prints_each_change_once_among_doubles_watermarks_and_rubbish(
    bus: OnKafka, python: str, readme_examples: dict[str, str], tmp_path: Path
):
    mark = json.dumps(example_of("rapport.watermark.advanced.v1", "a-second-later")).encode()
    first, second = change(1, None, "prospect"), change(2, "prospect", "bronze")
    for value in (mark, first, first, b"rubbish", second, first, mark, second):
        bus.put(TIERS, value, key=b"c1")
    bus.put(TIERS, change(3, "bronze", "silver"), key=b"c1")
    printed = tmp_path / "printed"
    example = script(readme_examples["Subscribe"], bus, tmp_path)
    with printed.open("w") as out:
        subscriber = subprocess.Popen([python, "-I", "-u", example], stdout=out, stderr=out)
        try:
            assert eventually(lambda: "-> silver" in printed.read_text(), SECONDS), (
                printed.read_text()
            )
        finally:
            subscriber.terminate()
            subscriber.wait(SECONDS)
    when = datetime.fromisoformat(example_of("rapport.tier.changed.v1", "entered")["time"])
    prospect, refused, bronze, silver = printed.read_text().splitlines()
    assert prospect == f"c1 None -> prospect {when}"
    assert refused.startswith("0 3 ")
    assert "not-json" in refused
    assert bronze == f"c1 prospect -> bronze {when}"
    assert silver == f"c1 bronze -> silver {when}"


@pytest.fixture
def ingestion(service_database: Any) -> Iterator[Database]:
    """Ingestion's tables, with the practice and the source that the README names."""
    made = service_database("ingestion")
    database = Database(made.worker_url, application_name="test")
    named = Practice(PRACTICE, "Lantern Harbour", "Asia/Shanghai", "CNY")
    with database.transaction() as tx:
        store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
        register_practice(named, store)
        declare_source(Source(PRACTICE, SOURCE, "The desk", "booking", SOURCE), store)
    yield database
    database.close()


def activities(bus: MemoryBus) -> list[ActivityRecorded]:
    logs = [log for tp, log in bus.logs.items() if tp.topic == topics.CLIENT_ACTIVITY.name]
    records = [record for log in logs for record in log]
    events = [decode(topics.CLIENT_ACTIVITY.name, one.key, one.value) for one in records]
    return [event for event in events if isinstance(event, ActivityRecorded)]


def test_ingestion_accepts_what_the_producer_sends_once_though_it_is_sent_twice(
    bus: OnKafka,
    python: str,
    readme_examples: dict[str, str],
    tmp_path: Path,
    ingestion: Database,
):
    example = script(readme_examples["Produce"], bus, tmp_path)
    for _ in range(2):
        subprocess.run([python, "-I", example], check=True, timeout=SECONDS)
    written = MemoryBus()
    for topic in (topics.PRACTICES, topics.CLIENT_ACTIVITY):
        written.create(topic.name, topic.partitions)
    settings = IngestionSettings(
        database_url="none",
        kafka_bootstrap_servers="127.0.0.1:1",
        **RECORD_SETTINGS,
    )
    consumer = bus.consumer(GROUP, [topic.name for topic in TOPICS])
    handler = build_consumer(settings, ingestion, build_relay(ingestion, written).drain)
    loop = BatchLoop(
        consumer,
        ingestion,
        handler,
        LoopOptions(group=GROUP, keyring=RECORD_KEYS),
        DeadLetterLimit(),
    )
    read = 0

    def both_read() -> bool:
        nonlocal read
        read += loop.turn(threading.Event())
        return read >= 2

    assert eventually(both_read, SECONDS)
    handler.after_commit({})
    (activity,) = activities(written)
    assert activity.practiceid == PRACTICE
    assert (activity.data.kind, activity.data.count) == ("booked", 1)
    assert activity.data.starts_at == datetime(2024, 3, 10, 2, 0, tzinfo=UTC)
