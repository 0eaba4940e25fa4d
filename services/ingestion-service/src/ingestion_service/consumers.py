"""Handles batches of source events: bookings and payments together."""

from collections.abc import Callable, Mapping
from typing import Any

from ingestion_service import translate
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.ports import Stores
from rapport_contracts import topics
from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import TryLater
from rapport_runtime.metrics import VISITS_TAKEN_BACK
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Sender
from rapport_runtime.stream.positions import Position

GROUP = "ingestion-service"
TOPICS = (topics.SOURCE_BOOKINGS, topics.SOURCE_PAYMENTS)


class SourceConsumer(BatchHandler):
    """Accepts each batch in the loop's transaction; `publish` runs after the commit."""

    def __init__(self, stores: Stores, publish: Callable[[], object]) -> None:
        self._stores = stores
        self._publish = publish
        # By place, so that a batch that is rolled back and handled again counts once.
        self._taken_back: dict[tuple[TopicPartition, int], str] = {}

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> SourceFact | None:
        """See `BatchHandler.decode`. None for a tombstone: what a source no longer says, it has
        said, and takes back by an event."""
        return None if value is None else translate.decode(topic, key, value)

    def sender_of(self, value: bytes | None) -> Sender:
        """See `BatchHandler.sender_of`."""
        return translate.sender(value)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Accept the facts of the batch; rejected ones become dead letters, tombstones are passed
        over."""
        located: list[tuple[PartitionBatch, int, SourceFact]] = []
        for part in batch.partitions:
            for index, fact in enumerate(part.events):
                if fact is None:
                    batch.pass_over(part, "tombstone")
                else:
                    located.append((part, index, fact))
        try:
            results = accept([fact for _, _, fact in located], self._stores.within(tx))
        except NotYet as error:
            raise TryLater(error.detail) from error
        failpoints.hit("accepted")
        for (part, index, fact), result in zip(located, results, strict=True):
            if result.status == "rejected":
                batch.reject(part, index, translate.refusal(fact, result))
            elif result.took_back_visit:
                self._taken_back[part.partition, part.records[index].offset] = fact.kind

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Publish the activities of the batch, and the watermarks that are due; count the visits
        that it took back."""
        for (partition, offset), kind in self._taken_back.items():
            if partition in held and offset < held[partition].next_offset:
                VISITS_TAKEN_BACK.labels(kind).inc()
        self._taken_back.clear()
        self._publish()
