"""What the use cases need to publish signals of care."""

from collections.abc import Sequence
from typing import Protocol

from ingestion_service.domain.care import CareWord


class CareStore(Protocol):
    """The signals of care that a transaction publishes."""

    def publish_care(self, words: Sequence[CareWord]) -> None:
        """Give the words, whose clients are locked, the next numbers of their clients, and put them
        into the outbox for `care-signals.v1`, in this order."""
