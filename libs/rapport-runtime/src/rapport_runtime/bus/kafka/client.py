"""What consumer, producer and admin client share: the cluster's address, log-in and time-outs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import kafka.errors
from kafka.admin import KafkaAdminClient
from kafka.net.compat import KafkaNetClient

from rapport_runtime.errors import TryLater
from rapport_runtime.logs import get_logger

log = get_logger(__name__)

SET_UP_TIMEOUT_MS, CONFIRM_TIMEOUT_MS, CLOSE_TIMEOUT_MS, ASK_TIMEOUT_MS = 30_000, 2000, 2000, 2000
"""The last three, one after the other, fit into a shutdown's 10 s even on a dead broker (R2)."""

CONNECT_TIMEOUT_MS = 5_000
"""How long a new consumer or producer waits for the first answer of any broker."""


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """Whether to speak TLS with the brokers, and the log-in (S19).

    `ca_file` is a PEM file of the authorities that sign the brokers' certificates; without it the
    system's count. Host names are always checked.
    """

    protocol: str = "PLAINTEXT"
    ca_file: str | None = None
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def arguments(self) -> dict[str, str]:
        """The arguments that each client of kafka-python takes for it; none for what is not set."""
        arguments = {
            "security_protocol": self.protocol,
            "ssl_cafile": self.ca_file,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        return {name: value for name, value in arguments.items() if value is not None}


IN_CLEAR = KafkaSecurity()


@dataclass(frozen=True, kw_only=True)
class KafkaOptions:
    """Address and time-outs of the cluster.

    `bootstrap_servers` is `host:port`, several with commas between. `topic_prefix` stands before
    the name of every topic and group, so that deployments can share a cluster.
    """

    bootstrap_servers: str
    client_id: str
    security: KafkaSecurity = IN_CLEAR
    topic_prefix: str = ""
    session_timeout_ms: int = 15_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 120_000
    fetch_max_wait_ms: int = 200

    def connection(self) -> dict[str, Any]:
        """The arguments that consumer, producer and admin client share."""
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": self.client_id,
            **self.security.arguments(),
        }


def connected(kind: Callable[..., Any], **arguments: Any) -> Any:
    """A consumer, producer or admin client of kafka-python. Raises what `kind` raises when no
    broker answers; what it had begun is closed then, or each try would leave a thread and its
    sockets behind.
    """
    begun: list[KafkaNetClient] = []

    def client(**config: Any) -> KafkaNetClient:
        begun.append(KafkaNetClient(**config))
        return begun[-1]

    try:
        return kind(**arguments, kafka_client=client)
    except BaseException:
        for each in begun:
            close_quietly(each.close)
        raise


def admin_client(options: KafkaOptions, timeout_ms: int = ASK_TIMEOUT_MS) -> Any:
    """A client for questions about topics and groups, on a connection of its own."""
    return connected(
        KafkaAdminClient,
        **options.connection(),
        request_timeout_ms=timeout_ms,
        bootstrap_timeout_ms=timeout_ms,
    )


def topic_id(admin: Any, options: KafkaOptions, topic: str) -> str:
    """The broker's id of the topic. Raises `TryLater` when there is none of that name, and
    `kafka.errors.KafkaError` when the brokers give no answer."""
    answer = admin.describe_topics([options.topic_prefix + topic])[0]
    if answer["error_code"]:
        raise TryLater(f"the broker does not know {topic}: error {answer['error_code']}")
    return str(answer["topic_id"])


def close_quietly(close: Callable[[], None]) -> None:
    """Close a client; what it raises is only logged, since it raises while the broker is down."""
    try:
        close()
    except kafka.errors.KafkaError:
        log.warning("kafka_client_close_failed", exc_info=True)
