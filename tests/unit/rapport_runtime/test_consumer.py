"""What the client had fetched before a turn is not all that there is after it."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import kafka
import kafka.errors
import pytest

from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions
from rapport_runtime.bus.kafka import consumer as consumer_module
from rapport_runtime.bus.kafka.consumer import FEW_RECORDS
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import TryLater

HERE = kafka.TopicPartition("topic.v1", 0)
THERE = kafka.TopicPartition("topic.v1", 1)


class Cluster:
    def topic_id(self, _name: str) -> str:
        return "one"


class Client:
    """A kafka-python consumer that answers each poll with the next of a list."""

    def __init__(self, **_: Any) -> None:
        self._cluster = Cluster()
        self._fetcher = SimpleNamespace(_parse_fetched_data=None)
        self.answers: list[dict[Any, list[int]]] = []
        self.limits: list[int] = []
        self.slow = 0.0
        self.is_closed = False

    def subscribe(self, **_: Any) -> None: ...

    def pause(self, _partition: Any) -> None: ...

    def seek(self, _partition: Any, _offset: int) -> None: ...

    def assignment(self) -> set[Any]:
        return {HERE, THERE}

    def close(self, **_: Any) -> None:
        self.is_closed = True

    def poll(self, _timeout_ms: int, max_records: int) -> dict[Any, list[int]]:
        time.sleep(self.slow)
        self.limits.append(max_records)
        return self.answers.pop(0)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    made = Client()
    monkeypatch.setattr(consumer_module, "FRESH_SECONDS", 0.5)  # however slow the machine is
    monkeypatch.setattr(kafka, "KafkaConsumer", lambda **_: made)
    yield made
    assert made.answers == []


@pytest.fixture
def consumer(client: Client) -> KafkaConsumer:
    member = begin()
    member.on_assigned([HERE, THERE])
    return member


def begin() -> KafkaConsumer:
    """A member that has not joined yet."""
    options = KafkaOptions(bootstrap_servers="nowhere:1", client_id="test")
    return KafkaConsumer(options, "group", ["topic.v1"])


def away(**_: Any) -> None:
    """What kafka-python does where no broker answers."""
    raise kafka.errors.KafkaTimeoutError("Unable to bootstrap")


def test_a_few_are_taken_with_what_came_since(client: Client, consumer: KafkaConsumer) -> None:
    client.answers = [{HERE: [1, 2]}, {HERE: [3], THERE: [7]}]
    assert consumer.poll(0.05, 10) == {
        TopicPartition("topic.v1", 0): [1, 2, 3],
        TopicPartition("topic.v1", 1): [7],
    }
    assert client.limits == [10, 8]


def test_what_was_waited_for_is_fresh(client: Client, consumer: KafkaConsumer) -> None:
    client.answers = [{HERE: [1, 2]}]
    client.slow = 0.5
    consumer.poll(0.05, 10)
    assert client.limits == [10]


def test_nothing_after_a_wait_is_not_asked_for_twice(
    client: Client, consumer: KafkaConsumer
) -> None:
    client.answers = [{}]
    assert consumer.poll(0.05, 10) == {}


@pytest.mark.parametrize("limit", [FEW_RECORDS, 100_000])
def test_many_are_enough(client: Client, consumer: KafkaConsumer, limit: int) -> None:
    client.answers = [{HERE: list(range(FEW_RECORDS))}]
    assert len(consumer.poll(0.05, limit)[TopicPartition("topic.v1", 0)]) == FEW_RECORDS


def test_no_more_than_the_limit_is_asked_for(client: Client, consumer: KafkaConsumer) -> None:
    client.answers = [{HERE: [1, 2]}]
    consumer.poll(0.05, 2)
    assert client.limits == [2]


def test_where_no_broker_answers_it_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "KafkaConsumer", away)
    with pytest.raises(TryLater, match="Unable to bootstrap"):
        begin()


def test_a_stuck_client_stays_until_another_is_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = begin()
    monkeypatch.setattr(consumer_module, "REBUILD_SECONDS", 0.0)
    monkeypatch.setattr(kafka, "KafkaConsumer", away)
    with pytest.raises(TryLater, match="Unable to bootstrap"):
        member.poll(0.05, 10)
    monkeypatch.setattr(consumer_module, "REBUILD_SECONDS", 60.0)
    client.answers = [{HERE: [1]}, {}]
    assert member.poll(0.05, 10) == {TopicPartition("topic.v1", 0): [1]}
    assert not client.is_closed
