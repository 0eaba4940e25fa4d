"""A client that finds no broker leaves nothing behind; an answer that lacks a partition is none."""

import socket
import threading
from typing import Any

import kafka
import kafka.errors
import pytest
from kafka.admin import KafkaAdminClient

from rapport_runtime.bus.kafka import KafkaLogReader, log_reader
from rapport_runtime.bus.kafka.client import KafkaOptions, connected
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import TryLater


@pytest.mark.parametrize("kind", [kafka.KafkaConsumer, kafka.KafkaProducer, KafkaAdminClient])
def test_a_client_whose_broker_says_nothing_leaves_no_thread_behind(kind: Any) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        for _ in range(3):
            with pytest.raises(kafka.errors.KafkaError):
                connected(kind, bootstrap_servers=f"{host}:{port}", bootstrap_timeout_ms=50)
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before


class _WithoutLeader:
    """A consumer whose library fails as it does for a partition that has no leader yet."""

    def beginning_offsets(self, partitions: list[Any], timeout_ms: int) -> dict[Any, int]:
        del timeout_ms
        raise KeyError(partitions[0])


def test_a_log_without_a_leader_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "connected", lambda *_, **__: _WithoutLeader())
    monkeypatch.setattr(log_reader, "name_the_unreadable", lambda _consumer: None)
    reader = KafkaLogReader(KafkaOptions(bootstrap_servers="127.0.0.1:1", client_id="test"))
    with pytest.raises(TryLater, match="no leader answers"):
        reader.bounds([TopicPartition("tier-changes.v1", 3)])
