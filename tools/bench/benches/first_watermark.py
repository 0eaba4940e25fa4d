"""Millions of clients in one partition, whose facts came before any watermark, pass their first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from kafka import KafkaProducer
from psycopg import sql

from rapport_contracts import canonical, codec, topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.kafka import KafkaOptions, ensure_topics
from rapport_runtime.database import DatabaseLimits
from tools.bench.benches.scoring import MOST_MIB, rulebook
from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.one_worker import LONGEST_STATEMENT, LONGEST_TURN
from tools.bench.order import Order
from tools.bench.runs import Run, run
from tools.bench.sizes import Sizes
from tools.claim import Measured

PREFIX = "first_"
PRACTICE, ZONE = "harbour", "Europe/London"
CLIENT = "00000000000000000000000000000001"
PARTITION = topics.partition_of(CLIENT, topics.PER_CLIENT_PARTITIONS)
CAME = datetime(2025, 11, 3, 12, tzinfo=UTC)
FIRST = CAME + timedelta(hours=1)
SECONDS_PER_CLIENT = 0.002
LEAST_SECONDS = 300.0
"""A worker gives up after so long for each client, and never sooner than this."""

_COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = 'client' ORDER BY ordinal_position
"""
_LEFT = """
    SELECT (SELECT count(*) FROM client WHERE assessed_on IS NULL),
           (SELECT count(*) FROM outbox), (SELECT count(*) FROM dead_letter),
           (SELECT count(*) FROM tier_change), (SELECT count(*) FROM feed)
"""


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions: in full it is many minutes and some gigabytes of disk."""
    order = _one_client(environment)
    clients = sizes.waiting_clients
    with environment.database("scoring") as made:
        order = replace(order, database_url=made.worker_url)
        run(environment, "worker", order)
        print(f"  multiplying one client to {clients:,} of its partition", flush=True)
        _multiply(made, clients)
        _publish(environment.kafka_options(PREFIX), topics.CLIENT_ACTIVITY, [_watermark()])
        longest = max(LEAST_SECONDS, clients * SECONDS_PER_CLIENT)
        done = run(environment, "worker", replace(order, longest_seconds=longest))
        _check(made, clients)
    return _lines(done, clients)


def _lines(done: Run, clients: int) -> list[Measured]:
    outcome = done.outcome
    parts = outcome.parts
    statement = 1000 * parts[LONGEST_STATEMENT]
    split = f"sweep {parts['sweep']:.0f}, relay {parts['relay']:.0f}"
    return [
        plain(f"{clients:,} clients' first watermark, s", f"{outcome.seconds:.0f} ({split})"),
        plain("  clients a second", f"{clients / outcome.seconds:,.0f}"),
        plain("  longest turn, s (a group waits 120)", f"{parts[LONGEST_TURN]:.0f}"),
        at_most("  longest statement, ms", [statement], DatabaseLimits().statement_ms),
        at_most("  batches rolled back", [outcome.rolled_back], 0),
        at_most("  the worker's peak memory, MiB", [outcome.peak_mib], MOST_MIB),
    ]


def _one_client(environment: Environment) -> Order:
    """Write the log of a practice with one client; the order to read it."""
    options = environment.kafka_options(PREFIX)
    ensure_topics(
        options, (topics.PRACTICES, topics.KEYS, topics.CLIENT_ACTIVITY, topics.TIER_CHANGES)
    )
    _publish(options, topics.PRACTICES, [_practice()])
    _publish(options, topics.CLIENT_ACTIVITY, [_activity()])
    return Order(
        bootstrap=environment.kafka.bootstrap,
        database_url="",
        records=2,
        topic_prefix=PREFIX,
        rulebook=rulebook(),
    )


def _publish(options: KafkaOptions, topic: topics.Topic, records: list[tuple[str, bytes]]) -> None:
    producer = KafkaProducer(bootstrap_servers=options.bootstrap_servers.split(","), acks="all")
    for key, value in records:
        name = options.topic_prefix + topic.name
        producer.send(name, value, key=key.encode(), partition=PARTITION % topic.partitions)
    producer.flush()
    producer.close()


def _practice() -> tuple[str, bytes]:
    data = canonical.Practice(practice_id=PRACTICE, name="Harbour", zone=ZONE, currency="GBP")
    event = canonical.PracticeRegistered(
        id=PRACTICE, source="ingestion-service", time=CAME, practiceid=PRACTICE, data=data
    )
    return PRACTICE, codec.encode(event)


def _activity() -> tuple[str, bytes]:
    data = canonical.Activity(
        client_id=CLIENT,
        generation=1,
        sequence=1,
        kind="completed",
        on=CAME.date(),
        zone=ZONE,
        count=1,
        occurred_at=CAME,
        accepted_at=CAME,
    )
    event = canonical.ActivityRecorded(
        id=f"{CLIENT}.1",
        source="ingestion-service",
        time=CAME,
        practiceid=PRACTICE,
        subject=CLIENT,
        data=data,
    )
    return CLIENT, codec.encode(event)


def _watermark() -> tuple[str, bytes]:
    event = canonical.WatermarkAdvanced(
        id="first", source="ingestion-service", time=FIRST, data=canonical.Watermark(up_to=FIRST)
    )
    return "watermark", codec.encode(event)


def _multiply(made: ServiceDatabase, clients: int) -> None:
    """Insert clients like the one that the worker has folded, whatever columns there are."""
    with psycopg.connect(made.worker_url, autocommit=True) as database:
        columns = [sql.Identifier(name) for (name,) in database.execute(_COLUMNS)]
        client_id = sql.Identifier("client_id")
        others = [sql.SQL("md5(number::text)") if one == client_id else one for one in columns]
        statement = sql.SQL(
            "INSERT INTO client ({}) SELECT {} FROM client, generate_series(2, {}) AS number"
        )
        database.execute(
            statement.format(
                sql.SQL(", ").join(columns), sql.SQL(", ").join(others), sql.Literal(clients)
            )
        )
    with psycopg.connect(made.owner_url, autocommit=True) as database:
        database.execute("ANALYZE client")  # autovacuum does so within a minute of an import


def _check(made: ServiceDatabase, clients: int) -> None:
    """Raises RuntimeError unless everybody was assessed, recorded and published, each once."""
    with psycopg.connect(made.worker_url) as database:
        left = database.execute(_LEFT).fetchone()
    if left != (0, 0, 0, clients, clients):
        raise RuntimeError(f"waiting, unpublished, letters, changes, feed: {left}")
