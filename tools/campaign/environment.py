"""All processes, with a proxy before each of its servers, so that both can be taken from it."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from rapport_devkit.api_client import ApiClient
from rapport_devkit.chaos import ChaosProxy
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.processes import free_port
from rapport_devkit.stack import Stack
from tests.support.pipeline.run import Say, pipeline_options
from tests.support.pipeline.workers import Slot, Workers
from tests.support.places import JARS

_OFFERS = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")


class Purged(NamedTuple):
    """What became of a purge: of so many old rows, how many the kill left, and how many the run
    after it; whether younger ones are missing."""

    service: str
    old: int
    left_by_the_kill: int
    left: int
    younger_are_missing: bool

    @property
    def was_struck(self) -> bool:
        """Whether the kill came between two pages."""
        return 0 < self.left_by_the_kill < self.old

    @property
    def fault(self) -> str | None:
        """What was wrong, or None."""
        if self.younger_are_missing:
            return f"{self.service}: rows within their term are missing"
        return f"{self.service}: {self.left} old rows are left" if self.left else None


@dataclass
class StormEnvironment:
    """All that a fault may lay hands on. `day` is the simulated day; `letters` are clients of
    ingestion's API whose keys decide on dead letters. What faults have found out: `exits` are the
    seconds until a worker that got SIGTERM had ended, `backlogs` the rows of a relay's backlog,
    `purges` what purges that were killed have left. `flood` sends what one practice has sent once
    more, thousands of records at once."""

    stack: Stack
    workers: Workers
    postgres: Postgres
    kafka: Kafka
    before_postgres: ChaosProxy
    before_kafka: ChaosProxy
    chance: random.Random
    day: int = 0
    letters: list[ApiClient] = field(default_factory=list)
    exits: list[float] = field(default_factory=list)
    backlogs: list[int] = field(default_factory=list)
    purges: list[Purged] = field(default_factory=list)
    flood: Callable[[], None] = lambda: None

    def slot(self, service: str, place: int) -> Slot:
        """A worker's place, 0 or 1, of a service."""
        return [slot for slot in self.workers.slots if slot.service == service][place]


@contextmanager
def open_environment(
    folder: Path, slots: list[Slot], chance: random.Random, say: Say
) -> Iterator[StormEnvironment]:
    """Servers of its own, whatever the environment names, the proxies, and the stack between.

    The services know the proxies' addresses only; Kafka names its proxy to them too.
    """
    with ExitStack() as opened:
        say("starting Postgres, Apache Kafka, and a proxy before each")
        opened.enter_context(_no_servers_named())
        postgres = opened.enter_context(Postgres.start(folder / "postgres", durable=False))
        before_postgres = opened.enter_context(ChaosProxy(_address(postgres.url())))
        port = free_port()
        before_kafka = opened.enter_context(ChaosProxy(("127.0.0.1", port)))
        kafka = opened.enter_context(
            Kafka.start(
                folder / "kafka",
                jars=JARS,
                port=port,
                advertised=("127.0.0.1", before_kafka.port),
            )
        )
        real, proxied = _port(postgres.url()), before_postgres.port
        stack = opened.enter_context(
            Stack(
                replace(pipeline_options(folder), restart_on_exit=True, ready_seconds=240.0),
                postgres=Postgres(postgres.url().replace(f":{real}/", f":{proxied}/")),
                kafka=Kafka(f"127.0.0.1:{before_kafka.port}"),
                say=say,
            )
        )
        lists = folder / "failpoints"
        lists.mkdir()
        workers = Workers(stack, slots, lists)
        yield StormEnvironment(
            stack, workers, postgres, kafka, before_postgres, before_kafka, chance
        )


@contextmanager
def _no_servers_named() -> Iterator[None]:
    """A storm kills its servers: they must not be those that the environment offers."""
    named = {name: os.environ.pop(name) for name in _OFFERS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(named)


def _address(url: str) -> tuple[str, int]:
    return "127.0.0.1", _port(url)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])
