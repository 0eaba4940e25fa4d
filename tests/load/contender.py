"""One contender in a process of its own: `python -m tests.load.contender NAME`, order on stdin.

Reads what it is to do as JSON, prints what it measured as JSON. Clocks start once partitions are
held and positioned, so that neither imports nor joining a group are part of any figure.
"""

import cProfile
import json
import pstats
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer as Client
from kafka import TopicPartition as Place

from rapport_contracts import codec, topics
from rapport_runtime import memory
from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions, KafkaProducer
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.limits import DeadLetterLimit
from rapport_runtime.loop import BatchLoop, LoopOptions
from rapport_runtime.relay import Relay, no_watermarks
from scoring_service import translate
from scoring_service.bootstrap import build_consumer
from scoring_service.consumers import TOPICS
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.ports import GROUP
from tests.load.order import Order, Outcome
from tests.load.twin import Twin

ACTIVITY = topics.CLIENT_ACTIVITY.name
POLL_RECORDS = 5_000
PROFILE_LINES = 40


class Stopwatch:
    """Wall and CPU seconds since it was made, and the wall seconds of named parts."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()
        self.parts: dict[str, float] = {}

    def timed(self, owner: object, method: str, part: str) -> None:
        """Let every later call of `owner.method` count for `part`."""
        call: Callable[..., Any] = getattr(owner, method)

        def measured(*args: Any, **more: Any) -> Any:
            begun = time.monotonic()
            try:
                return call(*args, **more)
            finally:
                self.parts[part] = self.parts.get(part, 0.0) + time.monotonic() - begun

        setattr(owner, method, measured)

    def outcome(self, events: int) -> Outcome:
        """What was measured up to now."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds, cpu = time.monotonic() - self._wall, _cpu_seconds() - self._cpu
        return Outcome(events, seconds, cpu, peak, self.parts)


def bare(order: Order) -> Outcome:
    """Poll and decode, nothing else."""
    watch = Stopwatch()
    read = 0
    for _, records in _reading(order, order.records):
        for record in records:
            codec.decode(ACTIVITY, record.key, record.value)
        read += len(records)
    return watch.outcome(read)


def per_event(order: Order) -> Outcome:
    """The twin as the goal has it: its outbox is left to somebody else."""
    return _one_by_one(order, Twin(order.database_url, parse_rulebook(order.rulebook)))


def publishing(order: Order) -> Outcome:
    """The twin that does the whole job: what a commit left in the outbox is published at once."""
    database = _database(order)
    producer = KafkaProducer(_options(order))
    relay = Relay(
        database,
        producer,
        buckets=topics.TIER_CHANGES.partitions,
        watermark_of=no_watermarks,
        watermark_record=translate.watermark,
    )
    twin = Twin(order.database_url, parse_rulebook(order.rulebook), relay.drain)
    outcome = _one_by_one(order, twin)
    producer.close()
    database.close()
    return outcome


def _one_by_one(order: Order, twin: Twin) -> Outcome:
    watch = Stopwatch()
    done = 0
    for place, records in _reading(order, order.twin_records):
        for record in records[: order.twin_records - done]:
            event = codec.decode(ACTIVITY, record.key, record.value)
            twin.handle(place.partition, record.offset, event)
            done += 1
    outcome = watch.outcome(done)
    twin.close()
    return outcome


def worker(order: Order) -> Outcome:
    """The service's own loop, handler, store and relay, until the log's end and an empty outbox."""
    database = _database(order)
    consumer = KafkaConsumer(_options(order), GROUP, TOPICS)
    producer = KafkaProducer(_options(order))
    handler = build_consumer(database, producer, order.rulebook)
    loop = BatchLoop(consumer, database, handler, LoopOptions(group=GROUP), DeadLetterLimit())
    stop = threading.Event()
    while not loop.assigned:
        loop.turn(stop)
    memory.collect_seldom()
    watch = Stopwatch()
    for owner, method, part in (
        (consumer, "poll", "poll"),
        (loop, "_decode", "decode"),
        (loop, "_process", "transaction"),
        (handler, "settle", "settle"),
        (handler, "_publish", "relay"),
    ):
        watch.timed(owner, method, part)
    handled, ends = 0, consumer.end_offsets(loop.positions)
    with _profiled(order.profile):
        while any(at.next_offset < ends[tp] for tp, at in loop.positions.items()):
            handled += loop.turn(stop)
    outcome = watch.outcome(handled)
    outcome.parts["sweep"] = outcome.parts.pop("settle") - outcome.parts["relay"]
    consumer.close()
    producer.close()
    database.close()
    return outcome


def _options(order: Order) -> KafkaOptions:
    return KafkaOptions(bootstrap_servers=order.bootstrap, client_id="bench")


def _database(order: Order) -> Database:
    limits = DatabaseLimits(idle_in_transaction_ms=10_000)
    return Database(order.database_url, application_name="bench", limits=limits)


def _reading(order: Order, records: int) -> Iterator[tuple[Place, list[Any]]]:
    """Batches of the log until `records` have come, read by the bare client."""
    client = Client(
        bootstrap_servers=order.bootstrap.split(","),
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=20,
        fetch_max_bytes=16 * 1024 * 1024,
    )
    client.assign([Place(ACTIVITY, n) for n in range(topics.CLIENT_ACTIVITY.partitions)])
    client.seek_to_beginning()
    read = 0
    while read < records:
        for place, batch in client.poll(1_000, max_records=POLL_RECORDS).items():
            read += len(batch)
            yield place, batch
    client.close()


@contextmanager
def _profiled(wanted: bool) -> Iterator[None]:  # noqa: FBT001 - one caller, one meaning
    if not wanted:
        yield
        return
    profile = cProfile.Profile()
    with profile:
        yield
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(PROFILE_LINES)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


CONTENDERS = {
    "bare": bare,
    "per_event": per_event,
    "publishing": publishing,
    "worker": worker,
}

if __name__ == "__main__":
    measured = CONTENDERS[sys.argv[1]](Order(**json.load(sys.stdin)))
    json.dump(measured._asdict(), sys.stdout)
