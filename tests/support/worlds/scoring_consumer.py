"""Scoring's handler of the batch loop on stores in memory, and events for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rapport_contracts import canonical, codec, topics
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import Batch, PartitionBatch
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from scoring_service import translate
from scoring_service.consumers import ScoringConsumer
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores

ACTIVITY = TopicPartition(topics.CLIENT_ACTIVITY.name, 0)
PRACTICES = TopicPartition(topics.PRACTICES.name, 0)
KEYS = TopicPartition(topics.KEYS.name, 0)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
Event = canonical.CanonicalEvent


class Scoring:
    """A consumer, its stores, and one partition of activities at its beginning."""

    def __init__(self) -> None:
        self.stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
        self.published = 0
        self.consumer = ScoringConsumer(self.stores, RULEBOOK, self._publish)
        self.bus = MemoryBus()
        for topic in (topics.CLIENT_ACTIVITY, topics.PRACTICES, topics.KEYS):
            self.bus.create(topic.name, topic.partitions)

    def _publish(self) -> None:
        self.published += 1

    def read(
        self, *events: Event, of: TopicPartition = ACTIVITY, business_time: datetime | None = NOON
    ) -> PartitionBatch:
        """Records of these events, decoded, behind all earlier ones."""
        position = Position(len(self.bus.logs[of]), "", business_time)
        for event in events:
            self.bus.append(of.topic, of.partition, b"ada", codec.encode(event))
        records = self.bus.logs[of][position.next_offset :]
        return decoded(self.consumer, of, position, records)

    def append(self, value: bytes, of: TopicPartition = ACTIVITY) -> PartitionBatch:
        """One record of these bytes, decoded, behind all earlier ones."""
        position = Position(len(self.bus.logs[of]), "", NOON)
        self.bus.append(of.topic, of.partition, b"ada", value)
        return decoded(self.consumer, of, position, self.bus.logs[of][position.next_offset :])

    def handle(self, part: PartitionBatch) -> Batch:
        """Handle a whole batch in a transaction."""
        batch = batch_of([part])
        with self.stores.open():
            self.consumer.handle(None, batch)
        return batch


def activity(sequence: int = 1, at: datetime = NOON, **more: Any) -> Event:
    values: dict[str, Any] = {
        "client_id": "ada",
        "generation": 1,
        "sequence": sequence,
        "kind": "completed",
        "on": at.date(),
        "zone": "Europe/London",
        "count": 1,
        "occurred_at": at,
        "accepted_at": at,
    }
    data = canonical.Activity(**values | more)
    return canonical.ActivityRecorded(
        id=f"a{sequence}", source="test", time=at, practiceid="harbour", data=data
    )


def watermark(up_to: datetime) -> Event:
    data = canonical.Watermark(up_to=up_to)
    return canonical.WatermarkAdvanced(id="w", source="test", time=up_to, data=data)


def opened(generation: int, facts: int, at: datetime = NOON) -> Event:
    """Ada's facts are said anew."""
    data = canonical.GenerationOpening(
        client_id="ada", generation=generation, reason="rebuild", facts=facts
    )
    return canonical.GenerationOpened(
        id=f"ada/{generation}", source="test", time=at, practiceid="harbour", data=data
    )
