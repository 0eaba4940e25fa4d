"""A toy service on the real runtime: it stores each record, and fails on demand."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime import failpoints
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database, DatabaseLimits, execute, fetch
from rapport_runtime.errors import InvalidRecord, RefusedRecord, TryLater
from rapport_runtime.schema.letters import EVERY_LETTER
from rapport_runtime.schema.metadata import runtime_tables
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Sender, Watermark
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.positions import Position
from tests.support.doubles.known_secrets import RECORD_KEYS

GROUP, TOPIC, SOURCE = "ledger", "things.v1", "toy"
NEVER = threading.Event()
"""The stop event of a loop that nobody stops."""

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
TOMBSTONE = "tombstone"

_RAISE = "DO $$ BEGIN RAISE EXCEPTION 'asked to' USING ERRCODE = '{}'; END $$"
_INSERT = """
    INSERT INTO entry (topic, partition, value) VALUES (%(topic)s, %(partition)s, %(value)s)
"""
_ONCE = "INSERT INTO seen (value) VALUES (%(value)s) ON CONFLICT DO NOTHING"


class Topic(NamedTuple):
    """As the contracts' topics."""

    name: str
    partitions: int


class Head(NamedTuple):
    """As the contracts' heads of events."""

    source: str
    event_id: str | None
    is_watermark: bool
    time: datetime


def head(value: bytes) -> Head | None:
    """`mark:<id of the event before>`, `foreign`, `garbage`, or an event that is its own id."""
    text = value.decode()
    if text == "garbage":
        return None
    if text == "foreign":
        return Head("stranger", text, is_watermark=False, time=MIDNIGHT)
    is_mark = text.startswith("mark:")
    return Head(SOURCE, text.removeprefix("mark:") or None, is_mark, MIDNIGHT)


def output(*topics: Topic) -> Output:
    """What the toy publishes: texts that are their own ids."""
    return Output(source=SOURCE, topics=topics, event_id=bytes.decode, head=head)


class Crash(BaseException):
    """The process dies here."""


def metadata() -> sa.MetaData:
    """The runtime tables and the toy's two."""
    tables = sa.MetaData()
    runtime_tables(tables)
    sa.Table(
        "entry",
        tables,
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("topic", sa.Text),
        sa.Column("partition", sa.Integer),
        sa.Column("value", sa.Text),
    )
    sa.Table("seen", tables, sa.Column("value", sa.Text, primary_key=True))
    return tables


def create_tables(database: ServiceDatabase) -> None:
    """Create the tables as the owner, as a migration would."""
    owner = Database(database.owner_url, application_name="owner")
    metadata().create_all(owner.engine)
    with owner.transaction() as tx:
        execute(tx, "INSERT INTO incarnation DEFAULT VALUES")
        execute(tx, EVERY_LETTER)
    owner.close()


def worker_database(database: ServiceDatabase, **limits: Any) -> Database:
    """The database with the worker's role."""
    return Database(database.worker_url, application_name="worker", limits=DatabaseLimits(**limits))


@dataclass
class Ledger(BatchHandler):
    """A `BatchHandler`. A record's value decides what happens to it:

    `bad…` cannot be decoded, `reject` is rejected by the handler, `stranger…` too, as
    of a practice that nobody knows, `invalid` raises; `state:<code>`
    raises that SQLSTATE in the database; `mark:<n>` is a watermark, n days after MIDNIGHT, and the
    last record of its batch; `once:<id>` has its effect once; any other value is an entry. A value
    names a practice after `@`; what cannot be decoded and names none is north's.

    `later` makes so many calls of `handle` raise `TryLater`, `heal` names values that no longer
    fail, `before` runs first in `handle`.
    """

    database: Database
    batches: list[list[str]] = field(default_factory=list)
    partitions: list[PartitionBatch] = field(default_factory=list)
    settled: int = 0
    later: int = 0
    heal: set[str] = field(default_factory=set)
    before: Callable[[], None] = lambda: None

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> str | Watermark:
        del topic, key
        if value is None:
            return TOMBSTONE
        text = value.decode()
        if text.startswith("bad") and text not in self.heal:
            owner = None if "@" in text else "north"
            raise InvalidRecord("unreadable", "asked to", field="/a\0b", practice_id=owner)
        if text.startswith("mark:"):
            return Watermark(MIDNIGHT.replace(day=1 + int(text[5:])))
        return text

    def sender_of(self, value: bytes | None) -> Sender:
        return Sender((value or b"").decode().partition("@")[2] or None)

    def batch_end(self, part: PartitionBatch) -> int:
        for index, event in enumerate(part.events):
            if isinstance(event, Watermark):
                return index + 1
        return len(part.events)

    def handle(self, tx: sa.Connection, batch: Batch) -> None:
        self.before()
        if self.later:
            self.later -= 1
            raise TryLater("asked to")
        for part in batch.partitions:
            for index, event in enumerate(part.events):
                self._handle(tx, batch, part, index, _text(event))
        self.partitions = batch.partitions
        self.batches.append([_text(event) for part in batch.partitions for event in part.events])

    def _handle(
        self, tx: sa.Connection, batch: Batch, part: PartitionBatch, index: int, event: str
    ) -> None:
        first, _, rest = event.partition(":")
        if event not in self.heal:
            if first == "reject":
                batch.reject(part, index, InvalidRecord("impossible", "asked to"))
                return
            if first.startswith("stranger"):
                batch.reject(part, index, RefusedRecord("unknown-practice", "asked to"))
                return
            if first == "invalid":
                raise InvalidRecord("raised", "asked to")
            if first == "state":
                execute(tx, _RAISE.format(rest.partition("@")[0]))
        if first == "once" and not execute(tx, _ONCE, {"value": rest}):
            return
        where = {"topic": part.partition.topic, "partition": part.partition.partition}
        execute(tx, _INSERT, where | {"value": event})

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        self.settled += 1

    # -- for the tests ----------------------------------------------------------------------------

    def entries(self, partition: int | None = None) -> list[str]:
        """Every effect, in the order of its commit."""
        return [
            row.value
            for row in self.rows("SELECT * FROM entry ORDER BY id")
            if partition is None or row.partition == partition
        ]

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a statement."""
        with self.database.transaction() as tx:
            return fetch(tx, statement, parameters)

    def run(self, statement: str, **parameters: Any) -> None:
        """Run a statement without rows."""
        with self.database.transaction() as tx:
            execute(tx, statement, parameters)

    def offsets(self) -> dict[int, int]:
        """The stored next offset of each partition."""
        found = self.rows("SELECT partition, next_offset FROM consumer_position")
        return {row.partition: row.next_offset for row in found}


def _text(event: str | Watermark) -> str:
    """The event as it was put on the bus."""
    if isinstance(event, Watermark):
        return f"mark:{(event.up_to - MIDNIGHT).days}"
    return event


def loop_of(
    consumer: Consumer, ledger: Ledger, limit: DeadLetterLimit | None = None, **options: Any
) -> BatchLoop:
    """A loop that waits little; `options` are fields of `LoopOptions`."""
    waits = {
        "keyring": RECORD_KEYS,
        "poll_seconds": 0.01,
        "retry_seconds": 0.001,
        "max_retry_seconds": 0.01,
        "assignment": AssignmentOptions(commit_fenced_seconds=0.0),
    }
    return BatchLoop(
        consumer,
        ledger.database,
        ledger,
        LoopOptions(group=GROUP, **(waits | options)),
        limit or DeadLetterLimit(max_consecutive=1_000, min_sample=1_000),
    )


def eager_loop_of(
    consumer: Consumer, ledger: Ledger, limit: DeadLetterLimit | None = None, **options: Any
) -> BatchLoop:
    """As `loop_of`, and it looks for pauses and queued dead letters in every turn."""
    return loop_of(
        consumer, ledger, limit, **({"pauses_seconds": 0.0, "replay_seconds": 0.0} | options)
    )


def turns(loop: BatchLoop, count: int = 3) -> None:
    """Let the loop turn `count` times."""
    for _ in range(count):
        loop.turn(NEVER)


def put(bus: MemoryBus, number: int, *values: str, topic: str = TOPIC) -> None:
    """Write values to a partition."""
    for value in values:
        bus.append(topic, number, b"k", value.encode())


@contextmanager
def at(name: str, action: Callable[[], None], *, times: int = 1) -> Iterator[list[str]]:
    """Do `action` when the failpoint is hit, the first `times` times; yields what was hit."""
    hits: list[str] = []
    left = [times]

    def hit(passed: str) -> None:
        hits.append(passed)
        if passed == name and left[0] > 0:
            left[0] -= 1
            action()

    failpoints.install(hit)
    try:
        yield hits
    finally:
        failpoints.install(lambda _name: None)


def crash() -> None:
    """For `at`: the process dies."""
    raise Crash


def partition(number: int) -> TopicPartition:
    """A partition of the toy's topic."""
    return TopicPartition(TOPIC, number)


def words(prefix: str, count: int) -> list[str]:
    """`count` different words."""
    return [f"{prefix}{number}" for number in range(count)]


def bad_words(count: int, *practices: str) -> list[str]:
    """`count` different words that cannot be decoded, of these practices in turn."""
    names = practices or ("east", "south", "west")
    return [f"bad{number}@{names[number % len(names)]}" for number in range(count)]
