"""The writer to Apache Kafka that the relay holds."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import kafka
import kafka.errors

from rapport_runtime.bus.kafka.client import (
    CLOSE_TIMEOUT_MS,
    CONNECT_TIMEOUT_MS,
    KafkaOptions,
    close_quietly,
    connected,
)
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import TryLater

FLUSH_SECONDS, LAST_WORDS_SECONDS = 0.2, 2.0
"""Seconds between two looks at the stop event, and those that `publish` may wait after it (R2)."""


class KafkaProducer:
    """An idempotent producer that waits for every acknowledgement, until its process must stop.

    It connects with its first records, so that a process can begin while the brokers are away.
    After each failure it is made anew: kafka-python 3.0.12 gives up its producer id when a batch
    expires that had been sent, never fetches another, and would hold every later record for ever.
    """

    def __init__(
        self,
        options: KafkaOptions,
        *,
        delivery_timeout_ms: int = 20_000,
        stop: threading.Event | None = None,
    ) -> None:
        self._options = options
        self._delivery_timeout_ms = delivery_timeout_ms
        self._stop = stop or threading.Event()
        self._producer: Any = None

    def _begin(self) -> Any:
        return connected(
            kafka.KafkaProducer,
            **self._options.connection(),
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=self._delivery_timeout_ms,
            request_timeout_ms=min(10_000, self._delivery_timeout_ms // 2),
            max_block_ms=5_000,
            linger_ms=100,  # `publish` flushes: no batch is to leave before its last record is in
            batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        )

    def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Producer.publish`."""
        try:
            if self._producer is None:
                self._producer = self._begin()
            futures = self._send(records)
        except kafka.errors.KafkaError as error:
            self._give_up()
            raise TryLater(repr(error)) from error
        lost = [future for future in futures if not future.succeeded()]
        if lost:
            self._give_up()
            msg = f"{len(lost)} of {len(records)} records not acknowledged: {lost[0].exception!r}"
            raise TryLater(msg)

    def _send(self, records: Sequence[Outgoing]) -> list[Any]:
        """Send all and wait until each was acknowledged or failed.

        Raises KafkaTimeoutError when it takes too long: the fate of the rest is then unknown.
        """
        prefix, send = self._options.topic_prefix, self._producer.send
        futures = [
            send(prefix + topic, value, key=key, partition=partition)
            for topic, partition, key, value in records
        ]
        enough_at = time.monotonic() + self._delivery_timeout_ms / 1000 + LAST_WORDS_SECONDS
        while True:
            try:
                self._producer.flush(timeout=FLUSH_SECONDS)
            except kafka.errors.KafkaTimeoutError:
                if time.monotonic() >= enough_at:
                    raise
                if self._stop.is_set():
                    enough_at = min(enough_at, time.monotonic() + LAST_WORDS_SECONDS)
            else:
                return futures

    def _give_up(self) -> None:
        """Drop the client and what it still holds: the rows are in the outbox."""
        if self._producer is not None:
            self._producer._sender.force_close()
        self.close()
        self._producer = None

    def close(self) -> None:
        """See `Producer.close`."""
        if self._producer is not None:
            close_quietly(lambda: self._producer.close(timeout=CLOSE_TIMEOUT_MS / 1000))
