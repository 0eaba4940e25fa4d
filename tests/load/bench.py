"""Speed and memory of scoring, as ratios to its neighbours in the same run: `make bench`.

On one log, on Apache Kafka and a Postgres with fsync, one after the other, each in a process of its
own: bare poll and decode; the per-event twin; the worker, until every tier is committed and every
change published. Ratios of one run can be compared, figures of different runs cannot.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import psycopg
from rapport_contracts import topics
from rapport_devkit.databases import create_database, drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions
from rapport_runtime.migrations import upgrade
from tests.load import log
from tests.load.order import Order, Outcome
from tests.support.places import JARS

GOAL_OF_BARE = 0.1
GOAL_OF_TWIN = 30.0
CONTENDERS = ("bare", "per_event", "worker")
EVENTS, CLIENTS_PER_EVENT, TWIN_EVENTS = 500_000, 10, 20_000
SEED = 20251103
"""The same log every time."""


class Servers(NamedTuple):
    """Where the bench runs."""

    postgres: Postgres
    kafka: Kafka


class Ratios(NamedTuple):
    """The worker's records a second beside its neighbours'."""

    of_bare: float
    of_twin: float


def main() -> int:
    """Run the bench and print it; 1 when a goal is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--twin-events", type=int, default=TWIN_EVENTS)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="cProfile of the worker on stderr")
    parser.add_argument("--only", choices=CONTENDERS, help="one contender, no ratios")
    asked = parser.parse_args()
    with servers() as running:
        plan = log.Plan(asked.events, max(1, asked.events // CLIENTS_PER_EVENT))
        options = KafkaOptions(bootstrap_servers=running.kafka.bootstrap, client_id="bench")
        print(f"writing {plan.events:,} activities of {plan.clients:,} clients", flush=True)
        records = log.write(options, plan, SEED)
        order = Order(
            bootstrap=running.kafka.bootstrap,
            database_url="",
            records=records,
            twin_records=min(asked.twin_events, records),
            rulebook=_rulebook(),
            profile=asked.profile,
        )
        ratios = []
        for _ in range(asked.repetitions):
            outcomes = {
                name: measure(running, name, order)
                for name in CONTENDERS
                if asked.only in (None, name)
            }
            show(outcomes, plan)
            if not asked.only:
                ratios.append(ratios_of(outcomes))
    return judge(ratios) if ratios else 0


@contextmanager
def servers() -> Iterator[Servers]:
    """A fresh broker and a Postgres that waits for its disk, gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        postgres = Postgres.start(folder / "postgres", durable=True)
        stack.callback(postgres.destroy)
        kafka = Kafka.start(folder / "kafka", jars=JARS)
        stack.callback(kafka.destroy)
        yield Servers(postgres, kafka)


def measure(running: Servers, contender: str, order: Order) -> Outcome:
    """Run one contender on an empty database; the worker's work is checked afterwards.

    Raises RuntimeError when the contender failed, or what it left behind is not what it claims.
    """
    made = create_database(running.postgres.url(), "scoring", prefix="bench_")
    try:
        upgrade(made.owner_url, "scoring_service")
        given = asdict(order) | {"database_url": made.worker_url}
        done = subprocess.run(
            [sys.executable, "-m", "tests.load.contender", contender],
            input=json.dumps(given),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{contender} ended with {done.returncode}")
        if contender == "worker":
            check(made.worker_url, order)
        return Outcome(**json.loads(done.stdout))
    finally:
        drop_database(running.postgres.url(), "scoring", prefix="bench_")
