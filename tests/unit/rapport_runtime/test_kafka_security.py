"""Consumer, producer and admin client all speak to the brokers as the settings say."""

from types import SimpleNamespace
from typing import Any

import kafka
import pytest

from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions, KafkaProducer, KafkaSecurity
from rapport_runtime.bus.kafka import client as client_module

LOG_IN = {
    "security_protocol": "SASL_SSL",
    "ssl_cafile": "/etc/ca.pem",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_plain_username": "rapport",
    "sasl_plain_password": "hunter4",
}
OPTIONS = KafkaOptions(
    bootstrap_servers="one:9093,two:9093",
    client_id="test",
    security=KafkaSecurity(
        protocol="SASL_SSL",
        ca_file="/etc/ca.pem",
        sasl_mechanism="SCRAM-SHA-512",
        username="rapport",
        password="hunter4",
    ),
)


class Noting:
    """Stands in for a client of kafka-python, and checks what it is told as that does."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known
        self.arguments: dict[str, Any] = {}
        self._fetcher = SimpleNamespace(_parse_fetched_data=None)

    def __call__(self, **arguments: Any) -> "Noting":
        assert arguments.keys() <= self.known.keys()
        self.arguments = arguments
        return self

    def subscribe(self, **_: Any) -> None: ...

    def send(self, **_: Any) -> None: ...

    def flush(self, **_: Any) -> None: ...


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Noting]:
    real = (kafka.KafkaConsumer, kafka.KafkaProducer, client_module.KafkaAdminClient)
    consumer, producer, admin = noting = [Noting(one.DEFAULT_CONFIG) for one in real]
    monkeypatch.setattr(kafka, "KafkaConsumer", consumer)
    monkeypatch.setattr(kafka, "KafkaProducer", producer)
    monkeypatch.setattr(client_module, "KafkaAdminClient", admin)
    return noting


def begin_all(options: KafkaOptions) -> None:
    KafkaConsumer(options, "group", ["topic.v1"])
    KafkaProducer(options).publish([])
    client_module.admin_client(options)


def test_each_logs_in_over_tls(clients: list[Noting]) -> None:
    begin_all(OPTIONS)
    where = {"bootstrap_servers": ["one:9093", "two:9093"], "client_id": "test"}
    for client in clients:
        assert client.arguments.items() >= (where | LOG_IN).items()


def test_in_clear_nothing_is_said_of_tls_or_a_log_in(clients: list[Noting]) -> None:
    begin_all(KafkaOptions(bootstrap_servers="one:9092", client_id="test"))
    for client in clients:
        security = {name: value for name, value in client.arguments.items() if name in LOG_IN}
        assert security == {"security_protocol": "PLAINTEXT"}
