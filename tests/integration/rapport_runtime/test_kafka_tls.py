"""TLS and log-in: a broker for whom our authority vouches is spoken to, by its name; no other."""

import datetime
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rapport_devkit.kafka import Kafka
from rapport_devkit.processes import free_port
from rapport_runtime.bus.kafka import (
    KafkaConsumer,
    KafkaOptions,
    KafkaProducer,
    KafkaSecurity,
    TopicPlan,
    ensure_topics,
)
from rapport_runtime.bus.port import Outgoing, TopicPartition
from tests.support.places import JARS
from tests.support.servers.buses import eventually

pytestmark = pytest.mark.integration

API_VERSIONS = b"\x00\x12"
"""The key of the request with which every conversation opens."""


def certificate(folder: Path, host: str) -> Path:
    """A certificate for `host` that vouches for itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    began = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{host}.pem"
    file.write_bytes(
        made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, secret)
    )
    return file


CLIENT = """
import sys
from contextlib import suppress
from kafka.errors import KafkaError
from rapport_runtime.bus.kafka import KafkaOptions, KafkaSecurity
from rapport_runtime.bus.kafka.client import admin_client

address, authority = sys.argv[1:]
security = KafkaSecurity(protocol="SSL", ca_file=authority)
options = KafkaOptions(bootstrap_servers=address, client_id="test", security=security)
with suppress(KafkaError):
    admin_client(options, 1_000)
"""
"""In a process of its own: kafka-python 3.0.12 leaves a thread and sockets behind when it is told
of no brokers."""


class Broker:
    """Listens with a certificate; notes what each client says first, and hangs up."""

    def __init__(self, held: Path) -> None:
        self.heard: list[bytes] = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(held)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                talk, _ = self._socket.accept()
            except OSError:
                return  # closed
            with talk:
                self._hear(talk)

    def _hear(self, talk: socket.socket) -> None:
        talk.settimeout(5)
        try:
            with self._tls.wrap_socket(talk, server_side=True) as inside:
                self.heard.append(inside.recv(1024))
        except OSError:
            return  # it did not like our certificate

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(certificate(tmp_path, "localhost"))
    yield made
    made.close()


def speak(broker: Broker, host: str, authority: Path) -> None:
    """Ask for the brokers as every client does; here nobody answers."""
    command = [sys.executable, "-c", CLIENT, f"{host}:{broker.port}", str(authority)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_a_broker_whom_our_authority_knows_is_spoken_to(broker: Broker, tmp_path: Path) -> None:
    speak(broker, "localhost", tmp_path / "localhost.pem")
    assert broker.heard
    assert broker.heard[0][4:6] == API_VERSIONS


def test_one_whom_it_does_not_know_is_told_nothing(broker: Broker, tmp_path: Path) -> None:
    speak(broker, "localhost", certificate(tmp_path, "another"))
    assert broker.heard == []


def test_nor_is_one_under_another_name(broker: Broker, tmp_path: Path) -> None:
    speak(broker, "127.0.0.1", tmp_path / "localhost.pem")
    assert broker.heard == []


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An Apache Kafka with a second listener that wants TLS and a log-in; its address."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    port, controller, secure = free_port(), free_port(), free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    settings = {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},"
        f"GUARDED://127.0.0.1:{secure}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port},GUARDED://localhost:{secure}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL",
        "listener.name.guarded.ssl.keystore.type": "PEM",
        "listener.name.guarded.ssl.keystore.location": str(certificate(tmp_path, "localhost")),
        "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.guarded.plain.sasl.jaas.config": f'{login} required user_rapport="hunter4";',
    }
    broker = Kafka.start(tmp_path / "kafka", jars=JARS, port=port, settings=settings)
    yield f"localhost:{secure}"
    broker.destroy()


def test_all_three_clients_log_in_at_apache_kafka_over_tls(guarded: str, tmp_path: Path) -> None:
    options = KafkaOptions(
        bootstrap_servers=guarded,
        client_id="test",
        security=KafkaSecurity(
            protocol="SASL_SSL",
            ca_file=str(tmp_path / "localhost.pem"),
            sasl_mechanism="PLAIN",
            username="rapport",
            password="hunter4",
        ),
    )
    ensure_topics(options, [TopicPlan(name="topic.v1", partitions=1)])
    producer = KafkaProducer(options)
    producer.publish([Outgoing("topic.v1", 0, b"key", b"said")])
    producer.close()
    consumer = KafkaConsumer(options, "group", ["topic.v1"])
    here = TopicPartition("topic.v1", 0)
    heard: list[bytes] = []

    def hears() -> bool:
        for polled in consumer.poll(0.1, 10).values():
            heard.extend(record.value for record in polled)
        if consumer.newly_assigned():
            consumer.seek(here, 0)
        return bool(heard)

    assert eventually(hears)
    assert heard == [b"said"]
    assert consumer.end_offsets([here]) == {here: 1}
    consumer.close()
