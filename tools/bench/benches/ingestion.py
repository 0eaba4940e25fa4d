"""Ingestion from the sources' topics to published activity, beside its per-event baseline."""

import statistics
from collections.abc import Mapping
from dataclasses import replace

import psycopg

from rapport_contracts import topics
from tools.bench import ingestion_check, reading, source_log
from tools.bench.benches.scoring import per_100k
from tools.bench.environment import Environment
from tools.bench.figures import at_least, plain
from tools.bench.order import Order
from tools.bench.runs import Run, line_of, run, split_of
from tools.bench.sizes import Sizes
from tools.claim import Measured

SEED = 20251104
PREFIX = "intake_"
TITLES = {
    "intake_per_event": "per-event baseline, outbox left",
    "intake_publishing": "per-event baseline, all published",
    "intake": "ingestion worker, all published",
}
PARTS = ("poll", "decode", "transaction", "relay")
_PRACTICE = """
    INSERT INTO practice (practice_id, name, zone, currency, undeclared_sources)
    VALUES (%s, %s, %s, %s, 'accept')
"""


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """One worker's rate beside the baseline's."""
    print(f"writing {sizes.source_events:,} source events", flush=True)
    written = source_log.write(environment.kafka_options(PREFIX), sizes.source_events, SEED)
    order = Order(
        bootstrap=environment.kafka.bootstrap,
        database_url="",
        records=written.records,
        topic_prefix=PREFIX,
        profile=sizes.profile,
    )
    reps = [
        _repetition(environment, order, written.events, sizes) for _ in range(sizes.repetitions)
    ]
    baseline = [rep["intake"].rate / rep["intake_per_event"].rate for rep in reps]
    whole = [rep["intake"].rate / rep["intake_publishing"].rate for rep in reps]
    rate = statistics.median(rep["intake"].rate for rep in reps)
    cpu = f"CPU {per_100k(reps, 'intake')} to {per_100k(reps, 'intake_publishing')} s/100k"
    return [
        plain("one worker, events a second", f"{rate:,.0f}"),
        at_least("one worker, times its per-event baseline, both publishing", whole, 30, note=cpu),
        plain(
            "one worker, times a baseline that publishes nothing",
            f"{statistics.median(baseline):.3g}",
        ),
    ]


def _repetition(
    environment: Environment, order: Order, events: int, sizes: Sizes
) -> Mapping[str, Run]:
    shorter = {
        "intake_per_event": sizes.baseline_events,
        "intake_publishing": sizes.publishing_events,
    }
    done = {}
    for name in TITLES:
        own = replace(order, records=min(order.records, shorter.get(name, order.records)))
        done[name] = _run_candidate(environment, name, own, events)
    print(split_of(done["intake"], PARTS), flush=True)
    return done


def _run_candidate(environment: Environment, name: str, order: Order, events: int) -> Run:
    """Run a candidate on a database that knows the practice; check what the worker left.

    Raises RuntimeError when it failed, or left something else behind than it claims.
    """
    with environment.database("ingestion") as made:
        with psycopg.connect(made.worker_url, autocommit=True) as database:
            practice = source_log.PRACTICE
            database.execute(_PRACTICE, (practice, practice, source_log.ZONE, source_log.CURRENCY))
        before = reading.ends(order, topics.CLIENT_ACTIVITY)
        order = replace(order, database_url=made.worker_url)
        done = run(environment, name, order)
        if name == "intake":
            ingestion_check.check(order, events, before)
    print(line_of(TITLES[name], done), flush=True)
    return done
