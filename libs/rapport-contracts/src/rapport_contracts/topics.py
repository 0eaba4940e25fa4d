"""The table of topics: name, key, partitions, retention, who writes, who reads."""

import zlib
from dataclasses import dataclass
from typing import Literal

DAY_MS = 24 * 3600 * 1000
PER_CLIENT_PARTITIONS = 4
"""One count for all per-client topics, so that a client's records meet in one partition number."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One logical topic. `retention_ms` None means compacted: the last record of each key stays."""

    name: str
    key: Literal["external client id", "client id", "practice id"]
    says: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = PER_CLIENT_PARTITIONS
    retention_ms: int | None = 30 * DAY_MS


SOURCE_BOOKINGS = Topic(
    name="source.bookings.v1",
    key="external client id",
    says="what the booking systems saw",
    writers=("booking systems",),
    readers=("ingestion-service",),
)
SOURCE_PAYMENTS = Topic(
    name="source.payments.v1",
    key="external client id",
    says="what the payment systems saw",
    writers=("payment systems",),
    readers=("ingestion-service",),
)
PRACTICES = Topic(
    name="practices.v1",
    key="practice id",
    says="each practice as it is now",
    writers=("ingestion-service",),
    readers=("scoring-service", "outreach-service"),
    retention_ms=None,
)
CLIENT_ACTIVITY = Topic(
    name="client-activity.v1",
    key="client id",
    says="what each client did, as deltas; and how far time has come",
    writers=("ingestion-service",),
    readers=("scoring-service", "outreach-service"),
)
TIER_CHANGES = Topic(
    name="tier-changes.v1",
    key="client id",
    says="each client's moves between tiers; and how far they are complete",
    writers=("scoring-service",),
    readers=("outreach-service", "subscribers"),
)
OUTREACH_EVENTS = Topic(
    name="outreach-events.v1",
    key="client id",
    says="where each message stands",
    writers=("outreach-service",),
    readers=("subscribers",),
)

TOPICS = (
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
    PRACTICES,
    CLIENT_ACTIVITY,
    TIER_CHANGES,
    OUTREACH_EVENTS,
)


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 bytes modulo the count, in 0..partitions-1.

    The same as librdkafka's `consistent` partitioner, so a producer elsewhere can meet it.
    """
    return zlib.crc32(key.encode()) % partitions
