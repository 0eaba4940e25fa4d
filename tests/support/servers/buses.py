"""One way to speak to both buses in tests: the one in memory, and Apache Kafka."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import kafka
from kafka.admin import KafkaAdminClient

from rapport_runtime.bus.kafka import (
    KafkaConsumer,
    KafkaLogReader,
    KafkaOptions,
    KafkaProducer,
    TopicPlan,
    ensure_topics,
)
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Consumer, LogReader, Producer, Record, TopicPartition

Headers = tuple[tuple[str, bytes], ...]


class AnyBus(Protocol):
    """A bus that a test may also mistreat."""

    def create(self, topic: str, partitions: int) -> None: ...
    def drop(self, topic: str) -> None: ...
    def put(
        self, tp: TopicPartition, value: bytes | None, key: bytes = b"k", headers: Headers = ()
    ) -> None: ...
    def forget_before(self, tp: TopicPartition, offset: int) -> None: ...
    def consumer(self, group: str, topics: Sequence[str]) -> Consumer: ...
    def producer(self) -> Producer: ...
    def reader(self) -> LogReader: ...
    def close(self) -> None: ...


class InMemory:
    """The bus in memory."""

    def __init__(self) -> None:
        self.bus = MemoryBus()

    def create(self, topic: str, partitions: int) -> None:
        self.bus.create(topic, partitions)

    def drop(self, topic: str) -> None:
        del self.bus.topic_ids[topic]

    def put(
        self, tp: TopicPartition, value: bytes | None, key: bytes = b"k", headers: Headers = ()
    ) -> None:
        self.bus.append(*tp, key, value, headers)

    def forget_before(self, tp: TopicPartition, offset: int) -> None:
        self.bus.remove(tp, range(offset))

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return self.bus.consumer(group, topics)

    def producer(self) -> Producer:
        return self.bus

    def reader(self) -> LogReader:
        return self.bus

    def close(self) -> None:
        pass


class OnKafka:
    """Apache Kafka, behind a prefix of one's own."""

    def __init__(self, bootstrap: str) -> None:
        self.options = KafkaOptions(
            bootstrap_servers=bootstrap,
            client_id="test",
            topic_prefix=f"t{secrets.token_hex(5)}-",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=500,
            max_poll_interval_ms=10_000,
        )
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self._raw = kafka.KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self._open: list[Consumer | LogReader | Producer] = []

    def create(self, topic: str, partitions: int) -> None:
        ensure_topics(self.options, [TopicPlan(name=topic, partitions=partitions)])

    def drop(self, topic: str) -> None:
        name = self.options.topic_prefix + topic
        self.admin.delete_topics([name])
        assert eventually(lambda: name not in self.admin.list_topics())

    def put(
        self, tp: TopicPartition, value: bytes | None, key: bytes = b"k", headers: Headers = ()
    ) -> None:
        name = self.options.topic_prefix + tp.topic
        self._raw.send(name, value, key=key, partition=tp.partition, headers=list(headers)).get(10)

    def put_many(self, records: Iterable[tuple[TopicPartition, bytes]]) -> None:
        """Write all, then wait for all."""
        prefix = self.options.topic_prefix
        for tp, value in records:
            self._raw.send(prefix + tp.topic, value, key=b"k", partition=tp.partition)
        self._raw.flush(10)

    def forget_before(self, tp: TopicPartition, offset: int) -> None:
        name = self.options.topic_prefix + tp.topic
        self.admin.delete_records({kafka.TopicPartition(name, tp.partition): offset})

    def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        made = KafkaConsumer(self.options, group, topics)
        self._open.append(made)
        return made

    def producer(self) -> KafkaProducer:
        made = KafkaProducer(self.options, delivery_timeout_ms=5_000)
        self._open.append(made)
        return made

    def reader(self) -> KafkaLogReader:
        made = KafkaLogReader(self.options)
        self._open.append(made)
        return made

    def close(self) -> None:
        for client in self._open:
            client.close()
        self._raw.close()
        self.admin.close()


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Ask every 20 ms until it holds; what it says at the end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def together(
    calls: Sequence[Callable[[], object]], until: Callable[[], bool], seconds: float
) -> bool:
    """Make each call again and again on a thread of its own until it holds, or time is up.

    As members of a group live: a join that completes while nobody polls its member is begun again.
    """
    enough = threading.Event()

    def again(call: Callable[[], object]) -> None:
        while not enough.is_set():
            call()

    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(again, call) for call in calls]
        held = eventually(until, seconds)
        enough.set()
        for one in running:
            one.result()
    return held


def settle(*members: Consumer, want: int, seconds: float = 15) -> None:
    """Poll all members until each holds partitions, `want` together, all noted."""

    def done() -> bool:
        held = [member.assignment() for member in members]
        return all(held) and sum(map(len, held)) == want and len(set().union(*held)) == want

    polls = [partial(member.poll, 0.2, 100) for member in members]
    assert together(polls, done, seconds), [member.assignment() for member in members]


def restore_new(member: Consumer, offset: int = 0) -> set[TopicPartition]:
    """Seek all that is new to `offset`."""
    new = member.newly_assigned()
    for tp in new:
        member.seek(tp, offset)
    return new


def read(member: Consumer, count: int, seconds: float = 10) -> dict[TopicPartition, list[Record]]:
    """Poll until `count` records have come, or time is up."""
    got: dict[TopicPartition, list[Record]] = {}

    def enough() -> bool:
        for tp, records in member.poll(0.1, 1_000).items():
            got.setdefault(tp, []).extend(records)
        return sum(map(len, got.values())) >= count

    eventually(enough, seconds)
    return got
