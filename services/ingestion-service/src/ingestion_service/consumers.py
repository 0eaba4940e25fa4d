"""Which event goes where: bookings and payments are accepted, side by side in one batch."""

from collections.abc import Callable, Mapping
from typing import Any

from ingestion_service import translate
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.ports import Session
from rapport_contracts import topics
from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import TryLater
from rapport_runtime.stream.batch import Batch, BatchHandler
from rapport_runtime.stream.positions import Position

GROUP = "ingestion-service"
TOPICS = (topics.SOURCE_BOOKINGS, topics.SOURCE_PAYMENTS)


class SourceConsumer(BatchHandler):
    """What ingestion does with a batch: one call of `accept`, then the relay.

    `session_in` makes a session of the loop's transaction, whose type is the store's matter.
    """

    def __init__(self, session_in: Callable[[Any], Session], publish: Callable[[], object]) -> None:
        self._session_in = session_in
        self._publish = publish

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> SourceFact:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Accept what the batch holds; what is rejected becomes a dead letter."""
        sent = [
            (part, index, fact)
            for part in batch.partitions
            for index, fact in enumerate(part.events)
        ]
        try:
            intake, now = self._session_in(tx)
        except NotYet as error:
            raise TryLater(error.detail) from error
        results = accept([fact for _, _, fact in sent], intake, now)
        failpoints.hit("accepted")
        for (part, index, fact), result in zip(sent, results, strict=True):
            if result.status == "rejected":
                batch.reject(part, index, translate.refusal(fact, result))

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Publish what was accepted, and how far time has come."""
        self._publish()
