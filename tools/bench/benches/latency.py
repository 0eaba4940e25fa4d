"""From a booking on the bus to its change of tier on the bus, beside one hop, with the stages."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import psycopg

from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tools.bench import source_log
from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.order import Order
from tools.bench.runs import child
from tools.bench.sizes import Sizes
from tools.bench.waits import centile
from tools.claim import Measured

RATE = 200.0
WARM_UP_SECONDS = 2.0
FIRST_SECONDS = 60.0
STAGES = ("sent", "ledger", "activity", "scored", "change", "end")
TITLES = (
    "source to ledger commit",
    "to activity published",
    "to scoring commit",
    "to change published",
    "to change received",
)
_PRACTICE = """
    INSERT INTO practice (practice_id, name, zone, currency, undeclared_sources)
    VALUES (%s, %s, %s, %s, 'accept')
"""
_SWEPT = """
    SELECT count(*) FROM consumer_position
    WHERE topic = 'client-activity.v1' AND swept_through IS NOT NULL
"""
_LEDGER = """
    SELECT event_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM ledger
"""
_CLIENTS = """
    SELECT client_id, event_id FROM ledger JOIN identity USING (practice_id, namespace, external_id)
"""
_SCORED = """
    SELECT client_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM tier_change
    WHERE version = 1
"""

Marks = Mapping[str, Mapping[str, float]]
"""Stage -> booking -> when, in Unix seconds."""


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """The real workers of ingestion and scoring, each as it runs in production."""
    with both(environment, "latency_") as stack:
        runs = [paced(stack, sizes.latency_seconds) for _ in range(sizes.repetitions)]
    for run in runs:
        print(summary(run), flush=True)
    whole, hops = (
        [waits(run, "sent", "end") for run in runs],
        [waits(run, "sent", "hop") for run in runs],
    )
    ratios = [centile(w, 0.99) / centile(h, 0.99) for w, h in zip(whole, hops, strict=True)]
    return [
        at_most(
            f"booking to tier change at {RATE:.0f}/s: p99, times one hop's",
            ratios,
            4,
            note=f"p50/p99 {_median(whole)}, hop {_median(hops)} ms",
        ),
        *(
            plain(f"  {title}, p50/p99 ms", _median([waits(run, *stage) for run in runs]))
            for title, stage in zip(TITLES, pairwise(STAGES), strict=True)
        ),
    ]


@contextmanager
def both(environment: Environment, prefix: str) -> Iterator[Stack]:
    """Ingestion and scoring with a practice and some time, ready to measure."""
    options = StackOptions(
        folder=environment.folder / prefix,
        services=("ingestion", "scoring"),
        topic_prefix=prefix,
        database_prefix=prefix,
        simulated_clock=False,
    )
    with Stack(options, postgres=environment.postgres, kafka=environment.kafka) as stack:
        with psycopg.connect(stack.database("ingestion").worker_url) as database:
            practice = source_log.PRACTICE
            database.execute(_PRACTICE, (practice, practice, source_log.ZONE, source_log.CURRENCY))
        _await_time(stack)
        yield stack


def order_for(stack: Stack, records: int = 0, delay: float = 0.0) -> Order:
    """An order for candidates that run on the stack's scoring database."""
    return Order(
        bootstrap=stack.kafka.bootstrap,
        database_url=stack.database("scoring").worker_url,
        records=records,
        topic_prefix=stack.options.topic_prefix,
        rate=RATE,
        delay=delay,
    )


def paced(stack: Stack, seconds: float) -> Marks:
    """Send bookings for so long, and gather when each came past where.

    Raises RuntimeError when a booking made no change.
    """
    records = int(RATE * (seconds + WARM_UP_SECONDS))
    order = order_for(stack, records)
    with child("observer", order) as observer, child("source", order) as source:
        observer.await_ready()
        source.await_ready()
        observer.go()
        source.go()
        sent, seen = source.outcome(), observer.outcome()
    if seen.records < records:
        raise RuntimeError(f"{seen.records} changes of {records} bookings")
    marks: dict[str, dict[str, float]] = {}
    for name, at in (sent.marks | seen.marks).items():
        stage, _, booking = name.partition(" ")
        marks.setdefault(stage, {})[booking] = at
    warm = min(marks["sent"].values()) + WARM_UP_SECONDS
    marks["sent"] = {booking: at for booking, at in marks["sent"].items() if at >= warm}
    return {**marks, **_commits(stack)}


def waits(marks: Marks, begin: str, end: str) -> list[float]:
    """Milliseconds from one stage to another, for each booking after the warm-up, sorted."""
    return sorted(1000 * (marks[end][one] - marks[begin][one]) for one in marks["sent"])


def summary(marks: Marks) -> str:
    """One run for people."""
    whole, hop = waits(marks, "sent", "end"), waits(marks, "sent", "hop")
    return f"  {len(whole):,} bookings: p50/p99 {_pair(whole)} ms; one hop {_pair(hop)} ms"


def _pair(sorted_waits: Sequence[float]) -> str:
    return f"{centile(sorted_waits, 0.5):.1f}/{centile(sorted_waits, 0.99):.1f}"


def _median(runs: Sequence[Sequence[float]]) -> str:
    halves = (statistics.median(centile(run, share) for run in runs) for share in (0.5, 0.99))
    return "/".join(f"{half:.1f}" for half in halves)


def _commits(stack: Stack) -> Marks:
    """When Postgres committed each booking's ledger entry, and the change that it caused."""
    with psycopg.connect(stack.database("ingestion").worker_url) as database:
        ledger: dict[str, float] = dict(database.execute(_LEDGER).fetchall())
        bookings: dict[str, str] = dict(database.execute(_CLIENTS).fetchall())
    with psycopg.connect(stack.database("scoring").worker_url) as database:
        scored = database.execute(_SCORED).fetchall()
    return {"ledger": ledger, "scored": {bookings[client]: at for client, at in scored}}


def _await_time(stack: Stack) -> None:
    """Wait for every partition's first watermark, before which nobody has a tier."""
    deadline = time.monotonic() + FIRST_SECONDS
    with psycopg.connect(stack.database("scoring").worker_url, autocommit=True) as database:
        while database.execute(_SWEPT).fetchone() != (source_log.BOOKINGS.partitions,):
            if time.monotonic() > deadline:
                raise RuntimeError("no watermark has come")
            time.sleep(0.1)
