"""Dead letters that are replayed twice and in any order leave no trace in ingestion (R12)."""

import json
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion_service.bootstrap import build_consumer, build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_contracts.topics import partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.stream.dead_letters.store import Actor, DeadLetterStore
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.doubles.known_secrets import RECORD_KEYS

pytestmark = pytest.mark.integration
GO = threading.Event()
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
CLIENTS = ("ada", "bob")
KINDS = ("booking.created", "booking.completed", "payment.settled", "payment.refunded")
OPERATOR = Actor(name="ann", all_practices=True, reason="the practice is registered now")


class Intake:
    """Ingestion's worker on a database and a bus of its own."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.database = Database(urls.worker_url, application_name="test")
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        settings = IngestionSettings(
            database_url=urls.worker_url,
            kafka_bootstrap_servers="127.0.0.1:1",
            environment="development",
        )
        publish = build_relay(self.database, self.bus).drain
        handler = build_consumer(settings, self.database, publish)
        consumer = self.bus.consumer(GROUP, [topic.name for topic in TOPICS])
        options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, replay_seconds=0)
        self.loop = BatchLoop(consumer, self.database, handler, options, DeadLetterLimit())
        self.turn()

    def turn(self) -> None:
        self.loop.turn(GO)

    def register(self) -> None:
        with self.database.transaction() as tx:
            harbour = Practice(
                "harbour", "Harbour", "Europe/London", "GBP", undeclared_sources="accept"
            )
            register_practice(
                harbour, build_stores(self.database, RECORD_KEYS, is_simulated=False).within(tx)
            )

    def send(self) -> None:
        """A booking and a payment of each client, with all that became of them."""
        for client in CLIENTS:
            for number, kind in enumerate(KINDS):
                event = a_fact(client, kind, number)
                topic = topics.SOURCE_PAYMENTS if "payment" in kind else topics.SOURCE_BOOKINGS
                where = partition_of(client, topic.partitions)
                self.bus.append(topic.name, where, client.encode(), json.dumps(event).encode())
        self.turn()

    def letters(self, state: str) -> list[int]:
        with self.database.transaction() as tx:
            statement = "SELECT id FROM every_letter WHERE state = %(state)s ORDER BY id"
            return [row.id for row in fetch(tx, statement, {"state": state})]

    def sums(self) -> dict[tuple[str, str], list[int]]:
        """The sums of count and amount that were published, by the client's external id and by
        kind, without zeros: a booking that is completed before it is seen leaves none. Without
        `registered`: whether a client's first event counts for something hangs on the order."""
        with self.database.transaction() as tx:
            rows = fetch(tx, "SELECT client_id, external_id FROM identity")
            names = {row.client_id: row.external_id for row in rows}
        found: dict[tuple[str, str], list[int]] = {}
        for number in range(topics.CLIENT_ACTIVITY.partitions):
            for record in self.bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, number)]:
                data = json.loads(record.value or b"")["data"]
                if "client_id" not in data or data["kind"] == "registered":
                    continue
                sums = found.setdefault((names[data["client_id"]], data["kind"]), [0, 0])
                sums[0] += data.get("count", 0)
                sums[1] += data.get("amount_minor", 0)
        return {key: sums for key, sums in found.items() if any(sums)}

    def accepted(self) -> list[str]:
        """The ids in the ledger."""
        with self.database.transaction() as tx:
            rows = fetch(tx, "SELECT event_id FROM ledger ORDER BY event_id")
        return [row.event_id for row in rows]


def a_fact(client: str, kind: str, number: int) -> dict[str, Any]:
    payment = {"payment_id": f"{client}-p1", "amount_minor": 5000 - number, "currency": "GBP"}
    booking = {"booking_id": f"{client}-b1"}
    if kind == "booking.created":
        booking["starts_at"] = (NOW + timedelta(days=2)).isoformat()
    return {
        "specversion": "1.0",
        "type": f"rapport.{kind}.v1",
        "id": f"{client}-{number}",
        "source": "till",
        "practiceid": "harbour",
        "subject": client,
        "time": (NOW - timedelta(days=3) + timedelta(hours=number)).isoformat(),
        "data": payment if "payment" in kind else booking,
    }


@pytest.fixture
def intake(service_database: Callable[[str], ServiceDatabase]) -> Callable[[], Intake]:
    return lambda: Intake(service_database("ingestion"))


@pytest.mark.parametrize("seed", range(4))
def test_replays_twice_and_in_any_order_give_the_same_as_no_failure(
    intake: Callable[[], Intake], seed: int
) -> None:
    smooth, rough = intake(), intake()
    smooth.register()
    smooth.send()
    rough.send()  # the practice is not registered yet
    held = rough.letters("held")
    assert len(held) == len(CLIENTS) * len(KINDS)
    rough.register()
    box = DeadLetterStore(rough.database)
    chance = random.Random(seed)
    order = held * 2
    chance.shuffle(order)
    while order:
        for _ in range(min(len(order), chance.choice((1, 1, 3)))):
            assert box.queue(OPERATOR, order.pop()) is not None
        rough.turn()
    rough.turn()
    assert rough.letters("replayed") == held
    assert rough.sums() == smooth.sums() != {}
    assert rough.accepted() == smooth.accepted()
    for each in (smooth, rough):
        each.database.close()
