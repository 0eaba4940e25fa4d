"""Scoring alone, as processes on real servers, reading a log that a test has written in memory."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from rapport_contracts import topics
from rapport_devkit.databases import drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.processes import tail
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tests.support.generators.workload import Sent
from tests.support.places import JARS, REPOSITORY
from tests.support.servers.bus_log import BusLog, RawProducer
from tests.support.servers.buses import eventually
from tests.support.worlds.scoring import Log

_REACHED = """
    SELECT count(*) FROM consumer_position
    WHERE topic = 'client-activity.v1' AND swept_through >= %s
"""
_PATIENCE_SECONDS = 200


class ScoringHarness:
    """A stack of scoring's API and its workers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._sent: dict[tuple[str, int], int] = {}
        self.log = BusLog(stack.kafka.bootstrap, stack.options.topic_prefix)

    def send(self, log: Log) -> None:
        """Write what the log has had since the last time to the same partitions on the bus."""
        producer = RawProducer(self.log)
        try:
            producer.send(self._news(log))
        finally:
            producer.close()

    def wait(self, up_to: datetime) -> None:
        """Wait until every partition is swept up to an instant and all is published."""
        wanted = [(topics.PER_CLIENT_PARTITIONS,)]
        self._until(lambda: self.rows(_REACHED, up_to) == wanted)
        self._until(lambda: self.rows("SELECT count(*) FROM outbox") == [(0,)])

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked as its superuser."""
        url = self.stack.postgres.url(self.stack.database("scoring").name)
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def _until(self, holds: Callable[[], bool]) -> None:
        """Wait, as long as every worker lives."""
        workers = [self.stack.child(name) for name in self.stack.workers("scoring")]
        eventually(lambda: holds() or not all(one.running for one in workers), _PATIENCE_SECONDS)
        assert holds(), [tail(one.log) for one in workers]

    def _news(self, log: Log) -> Iterator[Sent]:
        for (topic, partition), records in log.bus.logs.items():
            first = self._sent.get((topic, partition), 0)
            self._sent[topic, partition] = len(records)
            for record in records[first:]:
                yield Sent(topic, partition, record.key, record.value)


@contextmanager
def scoring_harness(
    folder: Path, postgres: Postgres, kafka: Kafka, *, launchers: Sequence[Sequence[str]]
) -> Iterator[ScoringHarness]:
    """Up, with a worker for each launcher (see `Stack.start_worker`), on given servers; names are
    of their own, so that tests do not meet."""
    unique = f"{folder.name}{secrets.token_hex(4)}"
    options = StackOptions(
        folder=folder,
        services=("scoring",),
        jars=JARS,
        durable=False,
        topic_prefix=f"{unique}-",
        database_prefix=f"{unique}_",
        workers=0,
        environment={"PYTHONPATH": str(REPOSITORY)},
    )
    with Stack(options, postgres=postgres, kafka=kafka) as stack:
        for launcher in launchers:
            stack.start_worker("scoring", launcher=launcher)
        stack.wait_ready()
        yield ScoringHarness(stack)
    drop_database(postgres.url(), "scoring", prefix=f"{unique}_")
