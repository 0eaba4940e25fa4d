"""What was decided by figures, measured again: where the relay runs, and a year's backlog."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from rapport_contracts import topics
from rapport_devkit.stack import Stack
from tools.bench import reading, scoring_check
from tools.bench.benches import latency
from tools.bench.benches.scoring import plan_of, rulebook, run_candidate, written
from tools.bench.environment import Environment
from tools.bench.figures import plain
from tools.bench.order import Order
from tools.bench.runs import Run, child, line_of, run_beside
from tools.bench.sizes import Sizes
from tools.claim import Measured

YEAR_FACTS, DAY_FACTS = 200, 2_500
"""Facts of a partition between two midnights: a year's backlog at once, or one day's."""
APART = {"notified": 0.0, "polling every 100 ms": 0.1}
"""A relay in a process of its own, by how it learns that there is something."""


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """Each variant once: they are compared, not gated."""
    plan, year_plan = (plan_of(sizes.backlog_events, facts) for facts in (DAY_FACTS, YEAR_FACTS))
    day = written(environment, plan, "day_")
    inside = run_candidate(environment, "worker", day, plan)
    backlog = run_candidate(
        environment, "worker", written(environment, year_plan, "year_"), year_plan
    )
    lines = [
        plain("relay in the worker, events a second", _figure(inside)),
        *_apart(environment, day, plan.events),
        plain("a year's backlog, events a second", _figure(backlog)),
        plain("one day's, times a year's", f"{inside.rate / backlog.rate:.2f}"),
    ]
    return lines + _latencies(environment, sizes)


def _apart(environment: Environment, order: Order, activities: int) -> Iterator[Measured]:
    for how, delay in APART.items():
        with environment.database("scoring") as made:
            own = replace(order, database_url=made.worker_url, delay=delay)
            before = reading.ends(own, topics.TIER_CHANGES)
            done = run_beside(environment, "beside_relay", own, "relay")
            scoring_check.check(own, activities, before)
        print(line_of(f"worker and relay, {how}", done), flush=True)
        yield plain(f"relay apart, {how}, until the outbox is empty", _figure(done))


def _latencies(environment: Environment, sizes: Sizes) -> list[Measured]:
    lines = []
    with latency.both(environment, "relay_") as stack:
        stack.end_child("scoring-worker-1")
        groups = {"in the worker": ("worker",)} | dict.fromkeys(APART, ("beside_relay", "relay"))
        for how, names in groups.items():
            with _candidates(stack, names, APART.get(how, 0.0)):
                summary = latency.summary(latency.paced(stack, sizes.latency_seconds)).strip()
            print(f"  relay {how}: {summary}", flush=True)
            lines.append(plain(f"relay {how}: booking to change", summary))
    return lines


@contextmanager
def _candidates(stack: Stack, names: tuple[str, ...], delay: float) -> Iterator[None]:
    """Candidates in the place of scoring's worker: once at the log's end they go on reading."""
    order = replace(latency.order_for(stack, delay=delay), rulebook=rulebook())
    with ExitStack() as entered:
        members = [entered.enter_context(child(name, order)) for name in names]
        for member in members:
            member.await_ready()
            member.go()
        yield


def _figure(run: Run) -> str:
    servers = sum(run.servers.values()) / run.outcome.records
    return (
        f"{run.rate:,.0f} (CPU s/100k: {run.cpu_per_record * 100_000:.2f},"
        f" servers {servers * 100_000:.2f})"
    )
