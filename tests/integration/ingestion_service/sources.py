"""Source events on a bus in memory, and what a worker makes of them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion_service.bootstrap import build_stores
from ingestion_service.handlers import advance_clock
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, WatermarkAdvanced
from rapport_contracts.codec import decode
from rapport_contracts.topics import partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch
from tests.support.doubles.known_secrets import RECORD_KEYS

DAY_0 = datetime(2024, 6, 1, tzinfo=UTC)


def settings_for(url: str) -> IngestionSettings:
    return IngestionSettings(
        database_url=url,
        kafka_bootstrap_servers="127.0.0.1:1",
        environment="development",
        simulated_clock=True,
    )


def send(bus: MemoryBus, event: dict[str, Any]) -> None:
    topic = topics.SOURCE_PAYMENTS if "payment" in event["type"] else topics.SOURCE_BOOKINGS
    key = event["subject"]
    partition = partition_of(key, topic.partitions)
    bus.append(topic.name, partition, key.encode(), json.dumps(event).encode())


def event(kind: str, event_id: str, **changes: Any) -> dict[str, Any]:
    """Wang Fang's payment or booking `s1`, of the day before the first."""
    is_payment = kind.startswith("payment")
    return {
        "specversion": "1.0",
        "type": f"rapport.{kind}.v1",
        "id": event_id,
        "source": "till",
        "practiceid": "lakeside",
        "subject": "wang-fang",
        "time": (DAY_0 - timedelta(days=1)).isoformat(),
        "data": {"payment_id": "s1", "amount_minor": 5000, "currency": "CNY"}
        if is_payment
        else {"booking_id": "s1"},
        **changes,
    }


def published(bus: MemoryBus) -> list[ActivityRecorded | WatermarkAdvanced]:
    """All events on client-activity.v1, partition by partition."""
    events = []
    for number in range(topics.CLIENT_ACTIVITY.partitions):
        for record in bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, number)]:
            one = decode(topics.CLIENT_ACTIVITY.name, record.key, record.value)
            assert isinstance(one, ActivityRecorded | WatermarkAdvanced)
            events.append(one)
    return events


def kinds(bus: MemoryBus) -> list[str]:
    """The kinds of all activities."""
    return [one.data.kind for one in published(bus) if isinstance(one, ActivityRecorded)]


def set_clock(database: Database, urls: ServiceDatabase, now: datetime) -> None:
    api = Database(urls.api_url, application_name="test-clock")
    with build_stores(api, RECORD_KEYS, is_simulated=True).open_for_operator() as store:
        advance_clock(now, store)
    api.close()


def letters_by(database: Database, columns: str) -> dict[tuple[Any, ...], int]:
    """How many letters are held, by these columns."""
    with database.transaction() as tx:
        rows = fetch(
            tx,
            f"SELECT {columns}, count(*) FROM dead_letter WHERE state = 'held'"  # noqa: S608
            f" GROUP BY {columns}",
        )
    return {tuple(row)[:-1]: tuple(row)[-1] for row in rows}
