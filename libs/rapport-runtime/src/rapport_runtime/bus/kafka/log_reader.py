"""A reader of logs on Apache Kafka that belongs to no group."""

import time
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any

import kafka
import kafka.errors

from rapport_runtime.bus.kafka.client import (
    ASK_TIMEOUT_MS,
    CLOSE_TIMEOUT_MS,
    KafkaOptions,
    admin_client,
    close_quietly,
    connected,
    topic_id,
)
from rapport_runtime.bus.kafka.unreadable import UnreadableAt, name_the_unreadable
from rapport_runtime.bus.port import LogBounds, Record, TopicPartition, Unreadable
from rapport_runtime.errors import TryLater

PATIENCE_SECONDS = 10.0
"""How long a read waits for the next records before it gives up."""

POLL_MS = 200


class KafkaLogReader:
    """`LogReader` on Apache Kafka; it connects with the first question."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._consumer: Any = None

    def bounds(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogBounds]:
        """See `LogReader.bounds`."""
        physical = {self._physical(tp): tp for tp in partitions}
        try:
            consumer = self._connected()
            firsts = consumer.beginning_offsets(list(physical), timeout_ms=ASK_TIMEOUT_MS)
            ends = consumer.end_offsets(list(physical), timeout_ms=ASK_TIMEOUT_MS)
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        except KeyError as missing:
            # The library looks up each partition in an answer that lacks those without a leader,
            # such as those of a topic that has just been made anew.
            raise TryLater(f"no leader answers for {missing}") from missing
        return {tp: LogBounds(firsts[each], ends[each]) for each, tp in physical.items()}

    def topic_id(self, topic: str) -> str:
        """See `LogReader.topic_id`."""
        try:
            with closing(admin_client(self._options)) as admin:
                return topic_id(admin, self._options, topic)
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error

    def read(self, spans: Mapping[TopicPartition, LogBounds]) -> dict[TopicPartition, list[Record]]:
        """See `LogReader.read`."""
        found: dict[TopicPartition, list[Record]] = {tp: [] for tp in spans}
        ends = {self._physical(tp): span.end for tp, span in spans.items() if span.end > span.first}
        places = {self._physical(tp): tp for tp in spans}
        try:
            consumer = self._connected()
            consumer.assign(list(ends))
            for physical in ends:
                consumer.seek(physical, spans[places[physical]].first)
                consumer.resume(physical)  # the last read has paused it
            give_up_at = time.monotonic() + PATIENCE_SECONDS
            while ends:
                polled = consumer.poll(POLL_MS)
                for physical, records in polled.items():
                    end = ends.get(physical, 0)
                    found[places[physical]] += [each for each in records if each.offset < end]
                    give_up_at = time.monotonic() + PATIENCE_SECONDS
                for physical in [each for each in ends if consumer.position(each) >= ends[each]]:
                    del ends[physical]
                    consumer.pause(physical)
                if time.monotonic() > give_up_at:
                    raise TryLater(f"{len(ends)} logs do not give the records before their ends")
        except UnreadableAt as stop:
            raise TryLater(f"{stop.partition.topic} cannot be read: {stop}") from stop
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        return found

    def unreadable(self, partition: TopicPartition, offset: int) -> Unreadable | None:
        """See `LogReader.unreadable`."""
        physical = self._physical(partition)
        end = self.bounds([partition])[partition].end
        try:
            consumer = self._connected()
            consumer.assign([physical])
            consumer.seek(physical, offset)
            consumer.resume(physical)
            give_up_at = time.monotonic() + PATIENCE_SECONDS
            while consumer.position(physical) < end and not consumer.poll(POLL_MS, max_records=1):
                if time.monotonic() > give_up_at:
                    raise TryLater(f"{partition.topic}/{partition.partition} gives no records")
        except UnreadableAt as stop:
            return stop.found._replace(next_offset=min(stop.found.next_offset, end))
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        return None

    def close(self) -> None:
        """See `LogReader.close`."""
        if self._consumer is not None:
            close_quietly(
                lambda: self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
            )

    def _connected(self) -> Any:
        if self._consumer is None:
            consumer = connected(
                kafka.KafkaConsumer,
                **self._options.connection(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_max_wait_ms=POLL_MS,
                bootstrap_timeout_ms=ASK_TIMEOUT_MS,
                metrics_enabled=False,
            )
            name_the_unreadable(consumer)
            self._consumer = consumer
        return self._consumer

    def _physical(self, partition: TopicPartition) -> Any:
        return kafka.TopicPartition(
            self._options.topic_prefix + partition.topic, partition.partition
        )
