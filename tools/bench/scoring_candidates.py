"""The candidates that score one log: bare reading, per-event baselines, the worker, a relay."""

import select
from collections.abc import Callable

import psycopg

from rapport_contracts import codec, topics
from rapport_runtime.bus.kafka import KafkaProducer
from rapport_runtime.database import Database
from rapport_runtime.stream.batch import BatchHandler
from scoring_service.bootstrap import build_consumer, build_relay
from scoring_service.consumers import TOPICS
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.ports import GROUP
from tools.bench import one_worker, reading
from tools.bench.by_hand import by_hand
from tools.bench.one_worker import Conversation
from tools.bench.order import Order
from tools.bench.scoring_baseline import Baseline
from tools.bench.stopwatch import Stopwatch

ACTIVITY = topics.CLIENT_ACTIVITY
CHANNEL = "bench_outbox"
LONGEST_WAIT = 1.0


def bare(order: Order, talk: Conversation) -> None:
    """Poll and decode, nothing else."""
    client = reading.open_log(order, [ACTIVITY.name], ACTIVITY.partitions)
    talk.ready()
    watch = Stopwatch()
    read = 0
    for _, records in reading.batches(client, order.records):
        for record in records:
            codec.decode(ACTIVITY.name, record.key, record.value)
        read += len(records)
    talk.done(watch.outcome(read))
    client.close()


def per_event(order: Order, talk: Conversation) -> None:
    """The baseline as the goal has it: its outbox is left to somebody else."""
    _one_by_one(order, talk, lambda: None)


def publishing(order: Order, talk: Conversation) -> None:
    """The baseline for the whole job: what a commit left in the outbox is published at once."""
    with by_hand(order) as publish:
        _one_by_one(order, talk, publish)


def _one_by_one(order: Order, talk: Conversation, publish: Callable[[], object]) -> None:
    baseline = Baseline(order.database_url, parse_rulebook(order.rulebook), publish)
    client = reading.open_log(order, [ACTIVITY.name], ACTIVITY.partitions)
    talk.ready()
    watch = Stopwatch()
    done = 0
    for place, records in reading.batches(client, order.records):
        for record in records:
            event = codec.decode(ACTIVITY.name, record.key, record.value)
            baseline.handle(place.partition, record.offset, event)
        done += len(records)
    talk.done(watch.outcome(done))
    client.close()
    baseline.close()


def worker(order: Order, talk: Conversation) -> None:
    """The service's own: all tiers committed and all changes published."""

    one_worker.work(order, talk, GROUP, TOPICS, (build_relay, _handler_of(order)))


def beside_relay(order: Order, talk: Conversation) -> None:
    """The same, but it only tells a relay in another process that there may be something."""
    with psycopg.connect(order.database_url, autocommit=True) as bell:

        def handler(database: Database, _publish: Callable[[], object]) -> BatchHandler:
            return build_consumer(
                database, lambda: bell.execute(f"NOTIFY {CHANNEL}"), order.rulebook
            )

        one_worker.work(order, talk, GROUP, TOPICS, (build_relay, handler))


def relay(order: Order, talk: Conversation) -> None:
    """The relay in a process of its own: drains when notified, or every `order.delay` seconds."""
    database, producer = one_worker.database_of(order), KafkaProducer(one_worker.options_of(order))
    drain = build_relay(database, producer).drain
    with psycopg.connect(order.database_url, autocommit=True) as bell:
        bell.execute(f"LISTEN {CHANNEL}")
        talk.ready()
        watch = Stopwatch()
        published = 0
        while not talk.over():
            if order.delay:
                select.select([], [], [], order.delay)
            else:
                list(bell.notifies(timeout=LONGEST_WAIT, stop_after=1))
            published += drain()
        talk.done(watch.outcome(published))
    producer.close()
    database.close()


def _handler_of(order: Order) -> one_worker.Handlers:
    def handler(database: Database, publish: Callable[[], object]) -> BatchHandler:
        return build_consumer(database, publish, order.rulebook)

    return handler
