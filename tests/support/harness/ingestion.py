"""Ingestion alone, as processes on real servers, with one practice: made to be mistreated."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from rapport_contracts.topics import CLIENT_ACTIVITY, SOURCE_BOOKINGS
from rapport_devkit.clock import SimulatedClock
from rapport_devkit.databases import drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tests.support.generators.workload import Sent
from tests.support.harness.bad_input import PRACTICE, good_event
from tests.support.places import JARS, REPOSITORY
from tests.support.servers.bus_log import BusLog, RawProducer

WORKER = "ingestion-worker-1"
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


class IngestionHarness:
    """A stack of ingestion's API and one worker, and what tests do to them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        scopes = "practices:write,clock:write,status:read,dead-letters:decide"
        self.operator = stack.api("ingestion", stack.create_key("ingestion", scopes))
        own = stack.create_key("ingestion", "events:write,clients:read", PRACTICE.practice_id)
        self.practice = stack.api("ingestion", own)
        self.clock = SimulatedClock({"ingestion": self.operator})
        self.log = BusLog(stack.kafka.bootstrap, stack.options.topic_prefix)
        self._hours = 0

    def open_practice(self) -> None:
        """Register the practice and let time begin."""
        body = PRACTICE.body("Lake") | {"undeclared_sources": "accept"}
        self.operator.put(f"/v1/practices/{PRACTICE.practice_id}", body)
        self.read_all()

    def read_all(self) -> None:
        """Wait until everything that was sent by now has been read, by a step of the clock."""
        self.clock.step(NOON + timedelta(hours=self._hours))
        self._hours += 1

    def send(self, values: Iterable[bytes], topic: str = SOURCE_BOOKINGS.name) -> None:
        """Write raw records to the topic's first partition, with the good events' key."""
        producer = RawProducer(self.log)
        try:
            producer.send(Sent(topic, 0, b"ada", value) for value in values)
        finally:
            producer.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says, asked as its superuser."""
        url = self.stack.postgres.url(self.stack.database("ingestion").name)
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def count(self, table: str) -> int:
        """How many rows a table has."""
        ((number,),) = self.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - a test's word
        return int(number)

    def activities(self) -> list[dict[str, Any]]:
        """What was published of clients, each once."""
        events = self.log.events(CLIENT_ACTIVITY.name)
        return [event["data"] for event in events if "client_id" in event["data"]]


def good(numbers: Iterable[int]) -> list[bytes]:
    """Good bookings, by number."""
    return [json.dumps(good_event(number)).encode() for number in numbers]


@contextmanager
def ingestion_harness(
    folder: Path,
    postgres: Postgres,
    kafka: Kafka,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    launcher: Sequence[str] = (),
) -> Iterator[IngestionHarness]:
    """Up, with its practice and one worker, on given servers; names are of their own, so that
    tests do not meet. `launcher` is for the worker (see `Stack.start_worker`)."""
    unique = f"{folder.name}{secrets.token_hex(4)}"
    options = StackOptions(
        folder=folder,
        services=("ingestion",),
        jars=JARS,
        durable=False,
        topic_prefix=f"{unique}-",
        database_prefix=f"{unique}_",
        session_timeout_ms=6_000,
        workers=0,
        environment={"PYTHONPATH": str(REPOSITORY), **environment},
    )
    with Stack(options, postgres=postgres, kafka=kafka) as stack:
        stack.start_worker("ingestion", launcher=launcher)
        stack.wait_ready()
        harness = IngestionHarness(stack)
        harness.open_practice()
        yield harness
    drop_database(postgres.url(), "ingestion", prefix=f"{unique}_")
