"""A client that finds no broker leaves nothing behind, however often it is tried."""

import socket
import threading
from typing import Any

import kafka
import kafka.errors
import pytest
from kafka.admin import KafkaAdminClient

from rapport_runtime.bus.kafka.client import connected


@pytest.mark.parametrize("kind", [kafka.KafkaConsumer, kafka.KafkaProducer, KafkaAdminClient])
def test_a_client_whose_broker_says_nothing_leaves_no_thread_behind(kind: Any) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        for _ in range(3):
            with pytest.raises(kafka.errors.KafkaError):
                connected(kind, bootstrap_servers=f"{host}:{port}", bootstrap_timeout_ms=50)
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before
