"""Scoring beside bare reading and a per-event baseline, on one log; one worker and two; memory."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from rapport_contracts import topics
from tools.bench import reading, scoring_check, scoring_log
from tools.bench.environment import Environment
from tools.bench.figures import at_least, at_most, plain
from tools.bench.order import Order
from tools.bench.runs import Run, line_of, run, split_of
from tools.bench.sizes import Sizes
from tools.claim import Measured

CLIENTS_PER_EVENT = 10
SEED = 20251103
"""The same log every time."""
TITLES = {
    "bare": "bare poll and decode",
    "per_event": "per-event baseline, outbox left",
    "publishing": "per-event baseline, all published",
    "worker": "scoring worker, all published",
    "two": "two workers of one group",
}
PARTS = ("poll", "decode", "transaction", "sweep", "relay")
MOST_MIB, MOST_SLOPE = 400, 5.0
"""A worker's size, and its growth in MiB for each 100,000 events in the later half of the log."""


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """All figures of scoring's throughput, and of its memory on the way."""
    plan = plan_of(sizes.events)
    order = written(environment, plan, profile=sizes.profile)
    reps = [_repetition(environment, order, plan, sizes) for _ in range(sizes.repetitions)]
    return [*_ratios(reps), *_of_two(reps), *memory_of([rep["worker"] for rep in reps])]


def measure_memory(environment: Environment, sizes: Sizes) -> list[Measured]:
    """The worker alone, for its memory."""
    plan = plan_of(sizes.events)
    order = written(environment, plan, profile=sizes.profile)
    return memory_of(
        [run_candidate(environment, "worker", order, plan) for _ in range(sizes.repetitions)]
    )


def plan_of(events: int, facts_per_midnight: int = 2_500) -> scoring_log.Plan:
    """A log of so many events."""
    return scoring_log.Plan(events, max(1, events // CLIENTS_PER_EVENT), facts_per_midnight)


def written(
    environment: Environment, plan: scoring_log.Plan, prefix: str = "", *, profile: bool = False
) -> Order:
    """Write a log on the broker; the order to read it."""
    print(f"writing {plan.events:,} activities of {plan.clients:,} clients", flush=True)
    records = scoring_log.write(environment.kafka_options(prefix), plan, SEED)
    return Order(
        bootstrap=environment.kafka.bootstrap,
        database_url="",
        records=records,
        topic_prefix=prefix,
        rulebook=rulebook(),
        profile=profile,
    )


def run_candidate(environment: Environment, name: str, order: Order, plan: scoring_log.Plan) -> Run:
    """Run a candidate on an empty database; what the worker left is checked before it counts.

    Raises RuntimeError when the candidate failed, or what it left behind is not what it claims.
    """
    candidate = "worker" if name == "two" else name
    with environment.database("scoring") as made:
        before = reading.ends(order, topics.TIER_CHANGES)
        order = replace(order, database_url=made.worker_url)
        done = run(environment, candidate, order)
        if candidate == "worker":
            scoring_check.check(order, plan.events, before)
    print(line_of(TITLES[name], done), flush=True)
    return done


def _repetition(
    environment: Environment, order: Order, plan: scoring_log.Plan, sizes: Sizes
) -> Mapping[str, Run]:
    shorter = {"per_event": sizes.baseline_events, "publishing": sizes.publishing_events}
    done = {}
    for name in TITLES:
        records = min(order.records, shorter.get(name, order.records))
        own = replace(order, records=records, members=2 if name == "two" else 1)
        done[name] = run_candidate(environment, name, own, plan)
    print(split_of(done["worker"], PARTS), flush=True)
    return done


def _ratios(reps: list[Mapping[str, Run]]) -> list[Measured]:
    def rates(name: str) -> list[float]:
        return [rep["worker"].rate / rep[name].rate for rep in reps]

    def note(name: str) -> str:
        return f"CPU {per_100k(reps, 'worker')} to {per_100k(reps, name)} s/100k"

    baseline, bare = rates("per_event"), rates("bare")
    rate = statistics.median(rep["worker"].rate for rep in reps)
    return [
        plain("one worker, events a second", f"{rate:,.0f}"),
        at_least("one worker, times the per-event baseline", baseline, 60, note=note("per_event")),
        at_least("the same, the first goal", baseline, 30),
        at_least("one worker, of bare poll and decode", bare, 0.25, note=note("bare")),
        at_least("the same, the first goal", bare, 0.1),
        plain(
            "one worker, times a baseline that also publishes",
            f"{statistics.median(rates('publishing')):.3g}",
        ),
    ]


def _of_two(reps: list[Mapping[str, Run]]) -> list[Measured]:
    times = [rep["two"].rate / rep["worker"].rate for rep in reps]
    cpu = [rep["two"].cpu_per_record / rep["worker"].cpu_per_record for rep in reps]
    note = f"{per_100k(reps, 'two')} to {per_100k(reps, 'worker')} s/100k"
    return [
        at_least("two workers, times one", times, 1.6),
        at_most("two workers, CPU of an event, times one's", cpu, 1.15, note=note),
    ]


def memory_of(runs: list[Run]) -> list[Measured]:
    """The worker's size at the end, and its growth once the first half of the log was read."""
    sizes = [run.outcome.memory[-1][1] for run in runs]
    slopes = [_slope(run.outcome.memory) for run in runs]
    events = f"after {runs[0].outcome.records:,} records"
    peak = statistics.median(run.outcome.peak_mib for run in runs)
    return [
        at_most("a worker's memory, MiB", sizes, MOST_MIB, note=f"{events}, peak {peak:.0f}"),
        at_most("its growth, MiB for 100,000 more", slopes, MOST_SLOPE, note="later half"),
    ]


def _slope(samples: list[tuple[int, float]]) -> float:
    """MiB for 100,000 records, by least squares over the later half."""
    later = samples[len(samples) // 2 :]
    if len(later) < 2:
        raise RuntimeError("too few batches to see how memory goes")
    records, sizes = zip(*later, strict=True)
    return 100_000 * statistics.linear_regression(records, sizes).slope


def per_100k(reps: list[Mapping[str, Run]], name: str) -> str:
    """The median CPU seconds of 100,000 records."""
    return f"{statistics.median(rep[name].cpu_per_record for rep in reps) * 100_000:.2f}"


def rulebook() -> Any:
    """The built-in rulebook's JSON."""
    built_in = resources.files("scoring_service") / "rulebooks" / "rfm.json"
    return json.loads(built_in.read_text(encoding="utf-8"))
