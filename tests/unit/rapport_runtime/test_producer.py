"""A producer that never comes to an end is left for a new one; nobody waits for ever."""

import threading
from typing import Any, ClassVar

import kafka
import kafka.errors
import pytest

from rapport_runtime.bus.kafka import KafkaOptions, KafkaProducer
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import TryLater

RECORD = Outgoing("topic.v1", 0, b"k", b"v")


class Client:
    """A kafka-python producer that acknowledges all, or loses sight of what it was given."""

    made: ClassVar[list["Client"]] = []
    stuck: ClassVar[int] = 0

    def __init__(self, **_: Any) -> None:
        self._sender = self
        self.ended: list[str] = []
        self.is_stuck = len(Client.made) < Client.stuck
        Client.made.append(self)

    def send(self, *_: Any, **__: Any) -> "Client":
        return self

    def succeeded(self) -> bool:
        return not self.is_stuck

    def flush(self, timeout: float | None = None) -> None:
        if self.is_stuck:
            assert timeout is not None, "this would wait for ever"
            threading.Event().wait(timeout)
            raise kafka.errors.KafkaTimeoutError("Timeout waiting for future")

    def force_close(self) -> None:
        self.ended.append("forced")

    def close(self, timeout: float) -> None:
        self.ended.append(f"closed in {timeout:g} s")


def away(**_: Any) -> None:
    """What kafka-python does where no broker answers."""
    raise kafka.errors.KafkaTimeoutError("Unable to bootstrap")


def test_a_producer_begins_while_no_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It connects with its first records, and tries again with the next."""
    monkeypatch.setattr(kafka, "KafkaProducer", away)
    producer = KafkaProducer(KafkaOptions(bootstrap_servers="x:1", client_id="test"))
    with pytest.raises(TryLater, match="Unable to bootstrap"):
        producer.publish([RECORD])
    monkeypatch.setattr(Client, "made", [])
    monkeypatch.setattr(kafka, "KafkaProducer", Client)
    producer.publish([RECORD])
    assert len(Client.made) == 1


def test_a_producer_that_does_not_come_to_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "made", [])
    monkeypatch.setattr(Client, "stuck", 1)
    monkeypatch.setattr(kafka, "KafkaProducer", Client)
    options = KafkaOptions(bootstrap_servers="x:1", client_id="test")
    producer = KafkaProducer(options, delivery_timeout_ms=100)
    with pytest.raises(TryLater, match="Timeout waiting"):
        producer.publish([RECORD])
    producer.publish([RECORD])
    old, new = Client.made
    assert old.ended == ["forced", "closed in 2 s"]
    assert new.ended == []
    producer.close()
    assert new.ended == ["closed in 2 s"]
