"""A service's own worker, in parts: its loop, handler, store and relay, until the log's end."""

import cProfile
import pstats
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import psycopg

from rapport_contracts import topics
from rapport_runtime import gc_tuning
from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions, KafkaProducer
from rapport_runtime.bus.port import Producer, TopicPartition
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.metrics import ROLLED_BACK
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.relay import Relay
from tests.support.doubles.known_secrets import RECORD_KEYS
from tools.bench.order import Order, Outcome
from tools.bench.stopwatch import Stopwatch

PROFILE_LINES = 40
LONGEST_STATEMENT, LONGEST_TURN = "longest statement", "longest turn"


class Conversation(Protocol):
    """See `candidate.Talk`."""

    def ready(self) -> None: ...
    def over(self) -> bool: ...
    def done(self, outcome: Outcome) -> None: ...


Relays = Callable[[Database, Producer], Relay]
Handlers = Callable[[Database, Callable[[], object]], BatchHandler]
"""From the database, and what to call when something was committed."""


def options_of(order: Order) -> KafkaOptions:
    """Where the candidate's broker is."""
    return KafkaOptions(
        bootstrap_servers=order.bootstrap, client_id="bench", topic_prefix=order.topic_prefix
    )


def database_of(order: Order) -> Database:
    """The candidate's database, as a worker opens it."""
    limits = DatabaseLimits(idle_in_transaction_ms=10_000, ask_first=False)
    return Database(order.database_url, application_name="bench", limits=limits)


def work(
    order: Order,
    talk: Conversation,
    group: str,
    names: Sequence[str],
    makers: tuple[Relays, Handlers],
) -> None:
    """Handle and publish the log of these topics as one of `order.members` workers, then stay in
    the group until all are done, so that nobody's partitions move meanwhile.

    Raises RuntimeError when the log's end is not reached in time.
    """
    relay_of, handler_of = makers
    database = database_of(order)
    consumer = KafkaConsumer(options_of(order), group, names)
    producer = KafkaProducer(options_of(order))
    relay = relay_of(database, producer)
    handler = handler_of(database, lambda: relay.drain())  # looked up each time: it is timed below
    options = LoopOptions(group=group, keyring=RECORD_KEYS)
    loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())
    deadline = time.monotonic() + order.longest_seconds
    partitions = sum(topic.partitions for topic in topics.TOPICS if topic.name in names)
    _await_share(consumer, partitions / order.members, deadline)
    stop = threading.Event()
    gc_tuning.tune_gc()
    talk.ready()
    watch = Stopwatch()
    for owner, method, part in (
        (consumer, "poll", "poll"),
        (loop, "_decode", "decode"),
        (loop._processor, "process", "transaction"),
        (handler, "after_commit", "after_commit"),
        (relay, "drain", "relay"),
    ):
        watch.timed(owner, method, part)
    watch.longest(psycopg.Cursor, "execute", LONGEST_STATEMENT)
    watch.longest(loop, "turn", LONGEST_TURN)
    with _profiled(order.profile):
        handled = _to_the_end(consumer, handler, loop, stop, watch, deadline)
    outcome = watch.outcome(handled)
    sweep = outcome.parts["after_commit"] - outcome.parts["relay"]
    parts = outcome.parts | {"sweep": sweep}
    talk.done(outcome._replace(parts=parts, rolled_back=_rolled_back()))
    while not talk.over():
        loop.turn(stop)
    consumer.close()
    producer.close()
    database.close()


def _await_share(consumer: KafkaConsumer, share: float, deadline: float) -> None:
    """Join, and wait until the group is complete: until this one holds its share, up or down to a
    whole partition. What is assigned stays paused until the loop takes it up."""
    while abs(len(consumer.assignment()) - share) >= 1:
        consumer.poll(1.0, 1)
        if time.monotonic() > deadline:
            raise RuntimeError(f"holds {len(consumer.assignment())} partitions of {share}")


def _to_the_end(
    consumer: KafkaConsumer,
    handler: BatchHandler,
    loop: BatchLoop,
    stop: threading.Event,
    watch: Stopwatch,
    deadline: float,
) -> int:
    """Take turns until all is read, and nothing is left of what a turn leaves to the next ones."""
    handled = 0
    ends: Mapping[TopicPartition, int] = consumer.end_offsets(consumer.assignment())
    while not handler.may_wait() or any(
        part not in loop.positions or loop.positions[part].next_offset < end
        for part, end in ends.items()
    ):
        handled += loop.turn(stop)
        watch.note_memory(handled)
        if time.monotonic() > deadline:
            raise RuntimeError("the log's end was not reached in time")
    return handled


def _rolled_back() -> int:
    """How many batches this process has rolled back, for whatever cause."""
    samples = (sample for metric in ROLLED_BACK.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


@contextmanager
def _profiled(wanted: bool) -> Iterator[None]:  # noqa: FBT001 - one caller, one meaning
    if not wanted:
        yield
        return
    profile = cProfile.Profile()
    with profile:
        yield
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(PROFILE_LINES)
