"""A bench's environment: a fresh broker and a Postgres that waits for its disk; the machine."""

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.kafka import KafkaOptions
from rapport_runtime.migrations import upgrade
from tests.support.places import JARS

PREFIX = "bench_"
_PACKAGES = ("kafka-python", "psycopg", "SQLAlchemy", "msgspec", "pydantic", "fastapi", "uvicorn")


@dataclass(frozen=True)
class Environment:
    """The servers, and a folder for logs."""

    folder: Path
    postgres: Postgres
    kafka: Kafka

    @classmethod
    @contextmanager
    def started(cls) -> "Iterator[Environment]":
        """Started now, gone afterwards. Postgres notes when each transaction committed."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
            settings = {"track_commit_timestamp": "on"}
            postgres = Postgres.start(folder / "postgres", durable=True, settings=settings)
            stack.callback(postgres.destroy)
            kafka = Kafka.start(folder / "kafka", jars=JARS)
            stack.callback(kafka.destroy)
            yield cls(folder, postgres, kafka)

    def kafka_options(self, topic_prefix: str = "") -> KafkaOptions:
        """How to reach the broker."""
        return KafkaOptions(
            bootstrap_servers=self.kafka.bootstrap, client_id="bench", topic_prefix=topic_prefix
        )

    @contextmanager
    def database(self, service: str) -> Iterator[ServiceDatabase]:
        """An empty, migrated database of a service, gone afterwards."""
        made = create_database(self.postgres.url(), service, prefix=PREFIX)
        try:
            upgrade(made.owner_url, f"{service}_service")
            yield made
        finally:
            drop_database(self.postgres.url(), service, prefix=PREFIX)

    def cpu_seconds(self) -> Mapping[str, float]:
        """What the servers have used so far; Postgres with the sessions that have ended."""
        servers = (("Postgres", self.postgres), ("Kafka", self.kafka))
        return {name: cpu_of(server.pid) if server.owned else 0.0 for name, server in servers}


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def facts() -> str:
    """The machine and the versions, in three lines."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    processor = next(
        line.partition(":")[2].strip()
        for line in [*Path("/proc/cpuinfo").read_text().splitlines(), "model name: unknown"]
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {processor}, {memory:.0f} GiB, {platform.system()}"
        f" {platform.release()}; load {load}\n"
        f"Python {platform.python_version()}, {packages}\n"
        f"Apache Kafka and PostgreSQL (fsync on) of the devkit, on the same cores"
    )
