"""What booking and payment systems send: visits booked, kept or cancelled, and paid, in order."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from kafka import KafkaProducer

from rapport_contracts import topics
from rapport_runtime.bus.kafka import KafkaOptions, ensure_topics

PRACTICE, ZONE, CURRENCY = "harbour", "Europe/London", "GBP"
BOOKINGS, PAYMENTS = topics.SOURCE_BOOKINGS, topics.SOURCE_PAYMENTS
START = datetime(2025, 11, 3, tzinfo=UTC)
STEP = timedelta(seconds=30)
CLIENTS_PER_EVENT = 50
"""So few that the baseline, which sees the log's beginning only, seldom has to make one."""
ZIPF = 0.8
CANCELLED, REFUNDED, DOUBLED = 0.1, 0.05, 0.01
"""Shares of visits called off, of payments taken back, of events sent twice."""
GAP = 300
"""About so many visits begin between one event of a visit and its next."""


class SourceLog(NamedTuple):
    """How many records were written, and how many different events they hold."""

    records: int
    events: int


class _Sent(NamedTuple):
    """One event at its place in the order of time."""

    place: float
    topic: str
    kind: str
    client: int
    visit: int


def write(options: KafkaOptions, events: int, seed: int) -> SourceLog:
    """Create ingestion's topics and write about so many events, each practice-wide in time order.

    A visit is booked, then completed and paid (5 % of payments go back), or cancelled; 1 % of
    events come twice. Clients come by Zipf's law.
    """
    needed = (BOOKINGS, PAYMENTS, topics.PRACTICES, topics.KEYS, topics.CLIENT_ACTIVITY)
    ensure_topics(options, needed)
    producer = KafkaProducer(
        bootstrap_servers=options.bootstrap_servers.split(","),
        acks="all",
        linger_ms=50,
        batch_size=512 * 1024,
    )
    rng = random.Random(seed)
    sent = sorted(_visits(rng, events))[:events]
    records = 0
    for index, one in enumerate(sent):
        client = f"client-{one.client}"
        value = json.dumps(event(f"e{index}", one.kind, client, f"v{one.visit}", _at(index)))
        for _ in range(1 + (rng.random() < DOUBLED)):
            producer.send(
                options.topic_prefix + one.topic,
                value.encode(),
                key=client.encode(),
                partition=topics.partition_of(client, BOOKINGS.partitions),
            )
            records += 1
    producer.flush()
    producer.close()
    return SourceLog(records, len(sent))


def event(number: str, kind: str, client: str, subject: str, at: datetime) -> dict[str, Any]:
    """A source event as JSON has it; `kind` is `booking.completed` or the like."""
    data: dict[str, Any] = {f"{kind.partition('.')[0]}_id": subject}
    if kind == "booking.created":
        data["starts_at"] = (at + timedelta(days=7)).isoformat()
    if kind in ("payment.settled", "payment.refunded"):
        data |= {"amount_minor": 6_000, "currency": CURRENCY}
    return {
        "specversion": "1.0",
        "id": number,
        "source": "bench",
        "type": f"rapport.{kind}.v1",
        "time": at.isoformat(),
        "practiceid": PRACTICE,
        "subject": client,
        "data": data,
    }


def _at(index: int) -> datetime:
    return START + index * STEP


def _visits(rng: random.Random, events: int) -> Iterator[_Sent]:
    clients = max(1, events // CLIENTS_PER_EVENT)
    odds = list(accumulate(rank**-ZIPF for rank in range(1, clients + 1)))
    comers = rng.choices(range(clients), cum_weights=odds, k=events // 2)
    for visit, client in enumerate(comers):
        place = float(visit)
        for topic, kind in _course(rng):
            yield _Sent(place, topic.name, kind, client, visit)
            place += rng.expovariate(1 / GAP)


def _course(rng: random.Random) -> list[tuple[topics.Topic, str]]:
    booked = (BOOKINGS, "booking.created")
    if rng.random() < CANCELLED:
        return [booked, (BOOKINGS, "booking.cancelled")]
    course = [booked, (BOOKINGS, "booking.completed"), (PAYMENTS, "payment.settled")]
    if rng.random() < REFUNDED:
        course.append((PAYMENTS, "payment.refunded"))
    return course
