"""What consumer and producer share: where the cluster is, how patient to be, who asks about it."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import kafka.errors
from kafka.admin import KafkaAdminClient, NewTopic

log = logging.getLogger(__name__)

SET_UP_TIMEOUT_MS, CONFIRM_TIMEOUT_MS, CLOSE_TIMEOUT_MS, ASK_TIMEOUT_MS = 30_000, 2000, 2000, 2000
"""The last three in a row must not outlast a shutdown's 10 s (R2), even on a dead broker."""


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """Whether to speak TLS with the brokers, and as whom to log in (RELIABILITY S19). Without
    `ca_file` the system's authorities vouch for them; host names are always checked."""

    protocol: str = "PLAINTEXT"
    ca_file: str | None = None
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def arguments(self) -> dict[str, str]:
        """What each client of kafka-python is told of it."""
        said = {
            "security_protocol": self.protocol,
            "ssl_cafile": self.ca_file,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        return {name: value for name, value in said.items() if value is not None}


IN_CLEAR = KafkaSecurity()


@dataclass(frozen=True, kw_only=True)
class KafkaOptions:
    """Where the cluster is and how patient to be with it (RELIABILITY §2, Settings); `topic_prefix`
    stands before every topic's and group's name, so that deployments can share a cluster."""

    bootstrap_servers: str
    client_id: str
    security: KafkaSecurity = IN_CLEAR
    topic_prefix: str = ""
    session_timeout_ms: int = 15_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 120_000
    fetch_max_wait_ms: int = 200

    def connection(self) -> dict[str, Any]:
        """What consumer, producer and admin client alike are told: where to, as whom, and how."""
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": self.client_id,
            **self.security.arguments(),
        }


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """A topic to be created. `retention_ms` None means compacted."""

    name: str
    partitions: int
    retention_ms: int | None


def ensure_topics(
    options: KafkaOptions, topics: Iterable[TopicPlan], *, replication_factor: int = 1
) -> None:
    """Create the topics that are missing; leave those that exist as they are."""
    asking = admin_client(options, SET_UP_TIMEOUT_MS)
    try:
        for plan in topics:
            name, kept = options.topic_prefix + plan.name, {"cleanup.policy": "compact"}
            if plan.retention_ms is not None:
                kept = {"retention.ms": str(plan.retention_ms)}
            topic = NewTopic(name, plan.partitions, replication_factor, topic_configs=kept)
            try:
                asking.create_topics([topic])
            except kafka.errors.TopicAlreadyExistsError:
                log.info("topic exists", extra={"topic": name})
    finally:
        asking.close()


def admin_client(options: KafkaOptions, timeout_ms: int = ASK_TIMEOUT_MS) -> Any:
    """Who asks the brokers about topics and groups, on a connection of its own."""
    return KafkaAdminClient(
        **options.connection(),
        request_timeout_ms=timeout_ms,
        bootstrap_timeout_ms=timeout_ms,
    )


def close_quietly(close: Callable[[], None]) -> None:
    """Close a client; with the broker down kafka-python's close raises (finding 5)."""
    try:
        close()
    except kafka.errors.KafkaError:
        log.warning("closing a Kafka client failed", exc_info=True)
