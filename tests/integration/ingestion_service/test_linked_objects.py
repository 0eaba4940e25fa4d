"""Bookings that take each other's place, parts of payments, and events without a client, with two
workers and on the bus."""

import json
import random
import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from ingestion_service.bootstrap import OUTPUT, build_stores
from ingestion_service.consumers import GROUP, TOPICS, SourceConsumer
from ingestion_service.domain.facts import Details, SourceFact
from ingestion_service.handlers import accept
from ingestion_service.parked_facts import Cleared, ParkedFacts, accept_met
from ingestion_service.store import objects
from rapport_contracts import topics
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.relay import Relay
from tests.integration.ingestion_service.waiting import in_another_thread, wait_for_lock
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import fact

pytestmark = pytest.mark.integration
SETTLED = fact("settled", "e1")
REFUNDED = fact("refunded", "e2", external_id=None, amount_minor=1200)


def take(database: Database, *facts: SourceFact) -> list[str]:
    """Accept a batch; of each fact why it was rejected, or else its status."""
    with database.transaction() as tx:
        store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
        return [result.reason or result.status for result in accept(facts, store)]


def take_parked(database: Database) -> int:
    stores = build_stores(database, RECORD_KEYS, is_simulated=False)
    return ParkedFacts(stores, DeadLetterTable(GROUP, RECORD_KEYS).save).run().facts


def told(database: Database) -> Counter[str]:
    """The sum of what was published, by kind: numbers of bookings, amounts of payments."""
    with database.transaction() as tx:
        rows = fetch(tx, "SELECT value FROM outbox WHERE topic = 'client-activity.v1'")
    sums: Counter[str] = Counter()
    for row in rows:
        data = json.loads(row.value)["data"]
        sums[data["kind"]] += data.get("amount_minor", 0) or data["count"]
    return sums


def test_a_payment_that_comes_while_its_refund_is_parked_finds_it(database: Database) -> None:
    with database.transaction() as tx:
        store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
        assert [each.status for each in accept([REFUNDED], store)] == ["parked"]
        thread, results = in_another_thread(lambda: take(database, SETTLED))
        wait_for_lock(database)
    thread.join()
    assert results == [["accepted"]]
    assert take_parked(database) == 1
    assert told(database) == {"settled": 5000, "refunded": 1200}


def test_a_refund_that_comes_while_its_payment_does_is_not_parked(database: Database) -> None:
    with database.transaction() as tx:
        store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
        accept([SETTLED], store)
        thread, results = in_another_thread(lambda: take(database, REFUNDED))
        wait_for_lock(database)
    thread.join()
    assert results == [["accepted"]]
    assert told(database) == {"settled": 5000, "refunded": 1200}


def test_two_workers_do_not_accept_what_was_parked_twice(database: Database) -> None:
    take(database, REFUNDED)
    take(database, SETTLED)
    with database.transaction() as tx:
        store = build_stores(database, RECORD_KEYS, is_simulated=False).within(tx)
        assert accept_met(SETTLED.practice_id, 10, store).facts == 1
        assert take_parked(database) == 0  # the other one has locked it
    assert take_parked(database) == 0
    assert told(database)["refunded"] == 1200


def chains(number: int) -> list[SourceFact]:
    """Three ids a booking, each in the place of the one before, and a payment with its parts."""
    found = []
    for n in range(number):
        ids = [f"s{n}-{step}" for step in range(3)]
        for step, booking_id in enumerate(ids):
            found.append(
                fact(
                    "created",
                    f"b{n}-{step}",
                    external_object_id=booking_id,
                    occurred_at=NOON - timedelta(days=1, hours=-step),
                    details=Details(replaces=ids[step - 1]) if step else Details(),
                )
            )
        whole: dict[str, Any] = {"external_object_id": f"p{n}"}
        found.append(fact("settled", f"p{n}", **whole))
        for part in ("one", "other"):
            named = Details(part_id=part)
            found.append(fact("refunded", f"p{n}-{part}", amount_minor=100, details=named, **whole))
            found.append(fact("refund_failed", f"p{n}-{part}-f", details=named, **whole))
    return found


def test_workers_with_each_others_chains_and_parts_do_not_deadlock(database: Database) -> None:
    facts = chains(8)
    batches = []
    for seed in range(5):
        shuffled = list(facts)
        random.Random(seed).shuffle(shuffled)
        batches += [shuffled[:60], shuffled[60:]]
    threads = [
        in_another_thread(lambda batch=batch: take(database, *batch))  # type: ignore[misc]
        for batch in batches
    ]
    for thread, _ in threads:
        thread.join()
    found = Counter(status for _, results in threads for each in results for status in each)
    assert found["accepted"] == len(facts)
    sums = told(database)
    del sums["registered"]  # told where what came first counts nothing
    assert sums == Counter({"booked": 8, "settled": 8 * 5000, "refunded": 0})


def test_a_chain_is_locked_with_its_first_booking(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    create_and_lock = objects._create_and_lock

    def noted(tx: Any, owners: Any) -> Any:
        asked.append(sorted(key.external_id for key in owners))
        return create_and_lock(tx, owners)

    take(database, *chains(1))
    monkeypatch.setattr(objects, "_create_and_lock", noted)
    missed = fact("no_show", "e9", external_object_id="s0-2", occurred_at=NOON)
    assert take(database, missed) == ["accepted"]
    assert asked == [["s0-2"], ["s0-0", "s0-2"]]
    assert (told(database)["no_show"], told(database)["booked"]) == (1, 0)


def test_a_chain_that_came_in_reverse_is_locked_twice_and_then_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    create_and_lock = objects._create_and_lock

    def noted(tx: Any, owners: Any) -> Any:
        asked.append({key.external_id for key in owners})
        return create_and_lock(tx, owners)

    ids = [f"s{step}" for step in range(20)]
    for first, second in reversed([*pairwise(ids)]):
        moved = fact("created", second, external_object_id=second, details=Details(replaces=first))
        assert take(database, moved) == ["accepted"]
    monkeypatch.setattr(objects, "_create_and_lock", noted)
    missed = fact("no_show", "e1", external_object_id="s19")
    assert take(database, missed) == ["accepted"]
    assert take(database, missed._replace(event_id="e2")) == ["accepted"]
    assert asked == [{"s19"}, set(ids), {"s19"}, {"s0", "s19"}]


class Bus:
    """A worker of ingestion on a bus in memory."""

    def __init__(self, database: Database) -> None:
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        stores = build_stores(database, RECORD_KEYS, is_simulated=False)
        set_aside = DeadLetterTable(GROUP, RECORD_KEYS).save
        handler = SourceConsumer(stores, Relay(database, self.bus, OUTPUT).drain, set_aside)
        options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, retry_seconds=0.01)
        consumer = self.bus.consumer(GROUP, [topic.name for topic in TOPICS])
        self.loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())

    def send(self, kind: str, event_id: str, **more: Any) -> None:
        """An event about one payment; its key is its client's id, or else the payment's."""
        money = {} if kind.endswith("failed") else {"amount_minor": 1200, "currency": "CNY"}
        document = {
            "specversion": "1.0",
            "id": event_id,
            "source": "desk",
            "type": f"rapport.payment.{kind}.v1",
            "practiceid": "lakeside",
            "time": "2024-05-31T12:00:00Z",
            "data": {"payment_id": "s1"} | money,
        } | more
        key = str(more.get("subject", "s1")).encode()
        self.bus.append("source.payments.v1", 0, key, json.dumps(document).encode())

    def turns(self) -> list[str]:
        """Handle what is there; the kinds of all activities on the bus."""
        for _ in range(3):
            self.loop.turn(threading.Event())
        logs = [TopicPartition(topics.CLIENT_ACTIVITY.name, n) for n in range(16)]
        values = [record.value or b"" for each in logs for record in self.bus.logs[each]]
        found = [json.loads(value) for value in values]
        return [one["data"]["kind"] for one in found if "kind" in one["data"]]


@pytest.fixture
def bus(database: Database) -> Bus:
    return Bus(database)


@pytest.mark.parametrize("mutant", [False, True])
def test_what_waits_is_counted_when_its_payment_comes(
    bus: Bus, database: Database, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    if mutant:
        monkeypatch.setattr(ParkedFacts, "run", lambda _self: Cleared(0, []))
    bus.send("refunded", "e2")
    assert bus.turns() == []
    with database.transaction() as tx:
        sealed = fetch_value(tx, "SELECT sealed FROM parked")
        assert fetch_value(tx, "SELECT count(*) FROM dead_letter") == 0
    assert b"1200" not in sealed
    bus.send("settled", "e1", subject="wang-fang")
    survives = bus.turns() == ["settled", "refunded"]
    assert survives is not mutant
