"""The candidates that take in the same source events: per-event baselines and ingestion itself."""

from collections.abc import Callable

from pydantic import SecretStr

from ingestion_service import translate
from ingestion_service.bootstrap import build_consumer, build_relay
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_runtime.database import Database
from rapport_runtime.stream.batch import BatchHandler
from tests.support.doubles.known_secrets import RECORD_SETTINGS
from tools.bench import one_worker, reading
from tools.bench.by_hand import by_hand
from tools.bench.ingestion_baseline import Baseline
from tools.bench.one_worker import Conversation
from tools.bench.order import Order
from tools.bench.stopwatch import Stopwatch

NAMES = [topic.name for topic in TOPICS]


def per_event(order: Order, talk: Conversation) -> None:
    """The baseline whose outbox is left to somebody else."""
    _one_by_one(order, talk, lambda: None)


def publishing(order: Order, talk: Conversation) -> None:
    """The baseline that publishes what each commit left in the outbox."""
    with by_hand(order) as publish:
        _one_by_one(order, talk, publish)


def worker(order: Order, talk: Conversation) -> None:
    """The service's own: every fact in the ledger and every activity published."""
    settings = worker_settings(order)

    def handler(database: Database, publish: Callable[[], object]) -> BatchHandler:
        return build_consumer(settings, database, publish)

    one_worker.work(order, talk, GROUP, NAMES, (build_relay, handler))


def worker_settings(order: Order) -> IngestionSettings:
    """All that the service's worker is not given a default for."""
    return IngestionSettings(
        database_url=SecretStr(order.database_url),
        kafka_bootstrap_servers=order.bootstrap,
        **RECORD_SETTINGS,
    )


def _one_by_one(order: Order, talk: Conversation, publish: Callable[[], object]) -> None:
    baseline = Baseline(order.database_url, publish)
    client = reading.open_log(order, NAMES, topics.PER_CLIENT_PARTITIONS)
    talk.ready()
    watch = Stopwatch()
    done = 0
    for place, records in reading.batches(client, order.records):
        name = place.topic.removeprefix(order.topic_prefix)
        for record in records:
            fact = translate.decode(name, record.key, record.value)
            baseline.handle(name, place.partition, record.offset, fact)
        done += len(records)
    talk.done(watch.outcome(done))
    client.close()
    baseline.close()
