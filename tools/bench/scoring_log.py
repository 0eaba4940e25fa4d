"""The log that every candidate reads: canonical activities in time order, and watermarks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from kafka import KafkaProducer

from rapport_contracts import canonical, codec, topics
from rapport_runtime.bus.kafka import KafkaOptions, ensure_topics

PARTITIONS = topics.PER_CLIENT_PARTITIONS
ZONES = {"harbour": ZoneInfo("Europe/London"), "willow": ZoneInfo("Asia/Shanghai")}
"""Each practice's zone. In November their midnights are at 00:00 and 16:00 UTC."""
START = datetime(2025, 11, 3, tzinfo=UTC)
INTERVALS = (timedelta(hours=16), timedelta(hours=8))
WATERMARKS = 5
"""So many in each interval, the last of which reaches the midnight at its end."""
LATE, LATEST = 0.02, 400 * 86_400
ZIPF = 0.8
REFUNDED = 0.05
AFTER = {"settled": 300, "refunded": 6_000}
"""About so many facts of the partition later a visit is paid, or a payment taken back."""


@dataclass(frozen=True)
class Plan:
    """How long the log is, over how many clients, and how many facts lie between two midnights."""

    events: int
    clients: int
    facts_per_midnight: int = 2_500


class _Step(NamedTuple):
    """One fact of a visit, at its place in the order of its partition."""

    place: float
    kind: str
    visit: int
    client: int


def write(options: KafkaOptions, plan: Plan, seed: int) -> int:
    """Create the topics of scoring and write the log of `plan`; the number of its records.

    A visit is a completed booking and, later, its payment; 5 % of payments are refunded. 2 % of
    visits become known late, by up to 400 days. Clients come by Zipf's law, some every
    few days, most now and then.
    """
    needed = (topics.PRACTICES, topics.KEYS, topics.CLIENT_ACTIVITY, topics.TIER_CHANGES)
    ensure_topics(options, needed)
    producer = KafkaProducer(
        bootstrap_servers=options.bootstrap_servers.split(","),
        acks="all",
        linger_ms=50,
        batch_size=512 * 1024,
    )
    prefix = options.topic_prefix
    for practice, zone in ZONES.items():
        producer.send(
            prefix + topics.PRACTICES.name, _practice(practice, zone), key=practice.encode()
        )
    rng = random.Random(seed)
    written = 0
    for partition, members in enumerate(_clients(rng, plan.clients)):
        facts = plan.events // PARTITIONS + (partition < plan.events % PARTITIONS)
        for key, value in _partition(rng, members, facts, plan.facts_per_midnight):
            producer.send(prefix + topics.CLIENT_ACTIVITY.name, value, key=key, partition=partition)
            written += 1
    producer.flush()
    producer.close()
    return written


def _clients(rng: random.Random, number: int) -> list[list[str]]:
    clients: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for _ in range(number):
        client = f"{rng.getrandbits(128):032x}"
        clients[topics.partition_of(client, PARTITIONS)].append(client)
    return clients


def _partition(
    rng: random.Random, clients: list[str], facts: int, per_midnight: int
) -> Iterator[tuple[bytes, bytes]]:
    """The records of one partition: each interval's facts evenly in it, watermarks between."""
    steps = _steps(rng, len(clients), facts)
    writer = _Writer(rng, clients)
    yield writer.watermark(START)
    begin = START
    for interval, first in enumerate(range(0, facts, per_midnight)):
        chunk = steps[first : first + per_midnight]
        length = INTERVALS[interval % len(INTERVALS)]
        every = max(1, per_midnight // WATERMARKS)
        for index, step in enumerate(chunk):
            if index and index % every == 0:
                yield writer.watermark(begin + length * index / per_midnight)
            yield writer.fact(step, begin + length * index / per_midnight)
        begin += length
        yield writer.watermark(begin)


def _steps(rng: random.Random, clients: int, facts: int) -> list[_Step]:
    steps: list[_Step] = []
    odds = list(accumulate(rank**-ZIPF for rank in range(1, clients + 1)))
    comers = rng.choices(range(clients), cum_weights=odds, k=facts)
    for visit, client in enumerate(comers):
        if len(steps) >= facts:
            break
        place = rng.random() * facts
        steps.append(_Step(place, "completed", visit, client))
        place += rng.expovariate(1 / AFTER["settled"])
        steps.append(_Step(place, "settled", visit, client))
        if rng.random() < REFUNDED:
            place += rng.expovariate(1 / AFTER["refunded"])
            steps.append(_Step(place, "refunded", visit, client))
    return sorted(steps[:facts])


class _Writer:
    """Encodes one partition's records; keeps each client's sequence and each visit's day."""

    def __init__(self, rng: random.Random, clients: list[str]) -> None:
        self._rng = rng
        self._clients = clients
        self._sequences = [0] * len(clients)
        self._happened: dict[int, tuple[datetime, int, str]] = {}

    def fact(self, step: _Step, now: datetime) -> tuple[bytes, bytes]:
        client = self._clients[step.client]
        self._sequences[step.client] += 1
        sequence = self._sequences[step.client]
        practice = "harbour" if step.client % 2 else "willow"
        number = f"{client}.{sequence}"
        if step.visit not in self._happened:
            late = self._rng.random() * LATEST if self._rng.random() < LATE else 0
            amount = self._rng.randrange(500, 6_000)
            self._happened[step.visit] = (now - timedelta(seconds=late), amount, number)
        happened_at, amount, original = self._happened[step.visit]
        event = canonical.ActivityRecorded(
            id=number,
            source="ingestion-service",
            time=now,
            practiceid=practice,
            subject=client,
            data=canonical.Activity(
                client_id=client,
                generation=1,
                sequence=sequence,
                kind=step.kind,  # type: ignore[arg-type]
                on=happened_at.astimezone(ZONES[practice]).date(),
                zone=ZONES[practice].key,
                refers_to=original if step.kind == "refunded" else None,
                occurred_at=happened_at,
                accepted_at=now,
                **_values(step.kind, amount),
            ),
        )
        return client.encode(), codec.encode(event)

    def watermark(self, up_to: datetime) -> tuple[bytes, bytes]:
        event = canonical.WatermarkAdvanced(
            id=f"{self._rng.getrandbits(128):032x}",
            source="ingestion-service",
            time=up_to,
            data=canonical.Watermark(up_to=up_to),
        )
        return b"watermark", codec.encode(event)


def _values(kind: str, amount: int) -> dict[str, Any]:
    if kind == "completed":
        return {"count": 1}
    return {"count": 1, "amount_minor": amount, "currency": "GBP"}


def _practice(practice: str, zone: ZoneInfo) -> bytes:
    data = canonical.Practice(practice_id=practice, name=practice, zone=zone.key, currency="GBP")
    event = canonical.PracticeRegistered(
        id=practice, source="ingestion-service", time=START, practiceid=practice, data=data
    )
    return codec.encode(event)
