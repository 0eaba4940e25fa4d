"""The table of topics: name, key, content, writers, readers, partitions, settings."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DAY_MS = 24 * 3600 * 1000
SHORT_MS = 7 * DAY_MS
"""How long sources' signals stay on the bus: long enough for an outage of the reader."""
PER_CLIENT_PARTITIONS = 16
"""One count for all per-client topics, so that a client's records meet in one partition number."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One logical topic. `retention_ms` None means compacted: the last record of each key stays."""

    name: str
    key: Literal[
        "external client id, else the id of the booking",
        "external client id, else the id of the payment",
        "external client id, else the id of the signal",
        "client id",
        "practice id",
        "key id",
    ]
    content: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = PER_CLIENT_PARTITIONS
    retention_ms: int | None = 30 * DAY_MS

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that the topic has on every cluster, by Kafka's names for them.

        The broker's clock stamps the records, so that retention counts from their arrival, however
        old the events in them are. The broker stores them without compression, whatever a producer
        used, so that every reader can read them and no batch grows as it is read.
        """
        kept = {"cleanup.policy": "compact"}
        if self.retention_ms is not None:
            kept = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        return {
            **kept,
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "uncompressed",
        }


SOURCE_BOOKINGS = Topic(
    name="source.bookings.v1",
    key="external client id, else the id of the booking",
    content="what happened to bookings, as the booking systems report it",
    writers=("booking systems",),
    readers=("ingestion-service",),
)
SOURCE_PAYMENTS = Topic(
    name="source.payments.v1",
    key="external client id, else the id of the payment",
    content="what happened to payments, as the payment systems report it",
    writers=("payment systems",),
    readers=("ingestion-service",),
)
SOURCE_SIGNALS = Topic(
    name="source.signals.v1",
    key="external client id, else the id of the signal",
    content="what other systems noticed of clients, but for what is care",
    writers=("signal systems",),
    readers=("ingestion-service",),
    retention_ms=SHORT_MS,
)
SOURCE_CARE = Topic(
    name="source.care.v1",
    key="external client id, else the id of the signal",
    content="what other systems noticed of how clients are, and what clients stated to them",
    writers=("care systems",),
    readers=("ingestion-service",),
    retention_ms=SHORT_MS,
)
PRACTICES = Topic(
    name="practices.v1",
    key="practice id",
    content="each practice as it is now",
    writers=("ingestion-service",),
    readers=("scoring-service", "outreach-service"),
    retention_ms=None,
)
KEYS = Topic(
    name="keys.v1",
    key="key id",
    content="each API key as it is now, by the hash of its secret",
    writers=("ingestion-service",),
    readers=("scoring-service", "outreach-service"),
    partitions=1,
    retention_ms=None,
)
CLIENT_ACTIVITY = Topic(
    name="client-activity.v1",
    key="client id",
    content="what each client did, as deltas, said anew where a generation opens; and watermarks",
    writers=("ingestion-service",),
    readers=("scoring-service", "outreach-service"),
)
CARE_SIGNALS = Topic(
    name="care-signals.v1",
    key="client id",
    content="signals of care as they hold; and watermarks of how far they are complete",
    writers=("ingestion-service",),
    readers=("outreach-service",),
)
TIER_CHANGES = Topic(
    name="tier-changes.v1",
    key="client id",
    content="each client's moves between tiers; and watermarks of how far they are complete",
    writers=("scoring-service",),
    readers=("outreach-service", "subscribers"),
)
OUTREACH_EVENTS = Topic(
    name="outreach-events.v1",
    key="client id",
    content="each change of a message's state",
    writers=("outreach-service",),
    readers=("subscribers",),
)

TOPICS = (
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
    SOURCE_SIGNALS,
    SOURCE_CARE,
    PRACTICES,
    KEYS,
    CLIENT_ACTIVITY,
    CARE_SIGNALS,
    TIER_CHANGES,
    OUTREACH_EVENTS,
)


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 bytes modulo the count, in 0..partitions-1.

    The same as librdkafka's `consistent` partitioner, so a producer elsewhere can meet it.
    """
    return zlib.crc32(key.encode()) % partitions
