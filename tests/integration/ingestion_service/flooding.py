"""A practice that floods, practices that are quiet, and workers that may be killed meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ingestion_service.bootstrap import build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS, SourceConsumer
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, HoldChanged, WatermarkAdvanced
from rapport_contracts.codec import decode
from rapport_contracts.topics import CLIENT_ACTIVITY, partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, DatabaseLimits, execute, fetch
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.doubles.known_secrets import RECORD_KEYS

FLOOD = "flood"
QUIET = tuple(f"quiet{number}" for number in range(5))
CLIENTS = 40
WHEN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
Event = ActivityRecorded | HoldChanged | WatermarkAdvanced


class Sent(NamedTuple):
    """A record of a source: whose, of whom, and its id."""

    practice_id: str
    client: str
    event_id: str


class FloodedIntake:
    """Ingestion on a bus in memory; `restart` is another process on the same database."""

    def __init__(self, urls: ServiceDatabase, keyring: Any = RECORD_KEYS) -> None:
        # However slow the machine is, a large batch is not given up here.
        limits = DatabaseLimits(statement_ms=0, idle_in_transaction_ms=0)
        self.database = Database(urls.worker_url, application_name="test", limits=limits)
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        self.stores = build_stores(self.database, keyring, is_simulated=False)
        with self.database.transaction() as tx:
            for practice_id in (FLOOD, *QUIET):
                known = Practice(
                    practice_id,
                    practice_id,
                    "Europe/London",
                    "GBP",
                    undeclared_sources="accept",
                )
                register_practice(known, self.stores.within(tx))
        self.sent: list[Sent] = []
        self.restart()

    def restart(self, keyring: Any = RECORD_KEYS) -> None:
        """A worker that knows nothing but the database."""
        self.stores = build_stores(self.database, keyring, is_simulated=False)
        consumer = self.bus.consumer(GROUP, [topic.name for topic in TOPICS])
        self.bus.members[GROUP] = [consumer]
        self.bus.rebalance(GROUP)
        handler = SourceConsumer(
            self.stores,
            build_relay(self.database, self.bus).drain,
            DeadLetterTable(GROUP, keyring).save,
        )
        options = LoopOptions(
            group=GROUP,
            keyring=keyring,
            poll_seconds=0,
            retry_seconds=0.01,
            max_records=20_000,
            pauses_seconds=0,
        )
        self.loop = BatchLoop(consumer, self.database, handler, options, DeadLetterLimit())
        self.turn()

    def turn(self) -> None:
        """One turn of the loop."""
        self.loop.turn(threading.Event())

    def send(self, records: Sequence[Sent], topic: str = topics.SOURCE_PAYMENTS.name) -> None:
        """Payments of these clients, in this order."""
        for practice_id, client, event_id in records:
            value = json.dumps(paid(practice_id, client, event_id)).encode()
            partition = partition_of(client, CLIENT_ACTIVITY.partitions)
            self.bus.append(topic, partition, client.encode(), value)
        self.sent += records

    def flood(self, count: int) -> None:
        """So many payments of one practice, and behind them one of each quiet practice."""
        name = len(self.sent)
        self.send([Sent(FLOOD, f"c{n % CLIENTS}", f"f{name}-{n}") for n in range(count)])
        self.quietly()

    def quietly(self) -> None:
        """A payment of each quiet practice."""
        name = len(self.sent)
        self.send([Sent(each, f"c{n}", f"q{name}-{n}") for n, each in enumerate(QUIET)])

    def until_drained(self, most: int = 200) -> int:
        """Turn until nothing waits; the number of turns."""
        for number in range(most):
            if not self.rows("SELECT FROM practice_queue") and self.is_read():
                self.turn()  # publishes what came last
                return number
            self.turn()
        raise AssertionError("something still waits")

    def is_read(self) -> bool:
        """Whether the positions are at the ends of the logs."""
        return all(
            position.next_offset == self.bus.ends[tp]
            for tp, position in self.loop.positions.items()
        )

    # -- what came of it ----------------------------------------------------------------------

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """What the database says."""
        with self.database.transaction() as tx:
            return fetch(tx, statement, parameters)

    def run(self, statement: str, **parameters: Any) -> None:
        """Run a statement without rows."""
        with self.database.transaction() as tx:
            execute(tx, statement, parameters)

    def accepted(self, practice_id: str | None = None) -> list[str]:
        """The ids in the ledger, in the order of acceptance."""
        rows = self.rows("SELECT practice_id, event_id FROM ledger ORDER BY ledger_id")
        return [row.event_id for row in rows if practice_id in {None, row.practice_id}]

    def by_practice(self) -> Counter[str]:
        """How many are in the ledger."""
        rows = self.rows("SELECT practice_id, count(*) AS number FROM ledger GROUP BY practice_id")
        return Counter({row.practice_id: row.number for row in rows})

    def published(self, partition: int) -> list[Event]:
        """What a partition of client-activity.v1 holds, but for watermarks."""
        place = TopicPartition(CLIENT_ACTIVITY.name, partition)
        events = [
            decode(CLIENT_ACTIVITY.name, record.key, record.value)
            for record in self.bus.logs[place]
        ]
        return [each for each in events if isinstance(each, ActivityRecorded | HoldChanged)]

    def activities(self) -> list[ActivityRecorded]:
        """All activities, partition by partition."""
        found = []
        for number in range(CLIENT_ACTIVITY.partitions):
            found += [e for e in self.published(number) if isinstance(e, ActivityRecorded)]
        return found

    def sums(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Of each practice and client of its source: count and amount of what was published."""
        rows = self.rows("SELECT client_id, practice_id, external_id FROM identity")
        names = {row.client_id: (row.practice_id, row.external_id) for row in rows}
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for each in self.activities():
            key = names[each.data.client_id]
            count, amount = sums.get(key, (0, 0))
            sums[key] = (count + each.data.count, amount + each.data.amount_minor)
        return sums


def paid(practice_id: str, client: str, event_id: str) -> dict[str, Any]:
    """A payment, as its source says it."""
    return {
        "specversion": "1.0",
        "type": "rapport.payment.settled.v1",
        "id": event_id,
        "source": "till",
        "practiceid": practice_id,
        "subject": client,
        "time": WHEN.isoformat(),
        "data": {"payment_id": f"p-{event_id}", "amount_minor": 100, "currency": "GBP"},
    }


@contextmanager
def flooded_intake(urls: ServiceDatabase) -> Iterator[FloodedIntake]:
    """An intake, and its connections closed at the end."""
    made = FloodedIntake(urls)
    try:
        yield made
    finally:
        made.database.close()
