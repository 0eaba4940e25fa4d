"""What lies on the bus, read by a plain client that shares nothing with the services'."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kafka
from kafka.admin import KafkaAdminClient

from tests.support.generators.workload import Sent

LARGE = 8 * 1024 * 1024
_ACKNOWLEDGED_SECONDS = 150


@dataclass(frozen=True)
class BusLog:
    """A broker as an outsider sees it: whole topics out, raw records in."""

    bootstrap: str
    prefix: str = ""

    def events(self, topic: str) -> list[dict[str, Any]]:
        """Every event of a topic once, by source and id, in order per partition."""
        seen: dict[tuple[str, str], dict[str, Any]] = {}
        for value in self.values(topic):
            event = json.loads(value)
            seen.setdefault((event["source"], event["id"]), event)
        return list(seen.values())

    def logs(self, topic: str) -> Mapping[int, Sequence[dict[str, Any]]]:
        """Every event of a topic once, in order, by partition."""
        logs: dict[int, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        for record in self._records(topic):
            event = json.loads(record.value)
            logs[record.partition].setdefault((event["source"], event["id"]), event)
        return {partition: list(seen.values()) for partition, seen in logs.items()}

    def records(self, topic: str) -> int:
        """How many records a topic holds."""
        return sum(1 for _ in self.values(topic))

    def values(self, topic: str) -> Iterator[bytes]:
        """Every record's value, repeats too."""
        yield from (record.value for record in self._records(topic))

    def _records(self, topic: str) -> Iterator[Any]:
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=None, enable_auto_commit=False
        )
        try:
            name = self.prefix + topic
            partitions = [
                kafka.TopicPartition(name, each)
                for each in consumer.partitions_for_topic(name) or ()
            ]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            while any(consumer.position(each) < ends[each] for each in partitions):
                for records in consumer.poll(timeout_ms=500).values():
                    yield from records
        finally:
            consumer.close()

    def let_in_large_records(self, topics: Iterable[str]) -> None:
        """Raise these topics' limit, so that a record of 2 MB reaches whoever reads them."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            for topic in topics:
                resource = kafka.admin.ConfigResource(
                    kafka.admin.ConfigResourceType.TOPIC,
                    self.prefix + topic,
                    configs={"max.message.bytes": str(LARGE)},
                )
                admin.alter_configs([resource])
        finally:
            admin.close()


class RawProducer:
    """Writes records as they are, without a key or a value if so asked."""

    def __init__(self, log: BusLog) -> None:
        self._prefix = log.prefix
        self._producer = kafka.KafkaProducer(
            bootstrap_servers=log.bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=LARGE,
            linger_ms=5,
            request_timeout_ms=5_000,
        )

    def send(self, records: Iterable[Sent]) -> None:
        """Write all, in order per partition, and wait for the acknowledgements."""
        futures = [
            self._producer.send(
                self._prefix + sent.topic, sent.value, key=sent.key, partition=sent.partition
            )
            for sent in records
        ]
        for future in futures:
            future.get(timeout=_ACKNOWLEDGED_SECONDS)

    def close(self) -> None:
        """Give the connection back."""
        self._producer.close()
