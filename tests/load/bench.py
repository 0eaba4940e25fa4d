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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from rapport_devkit.databases import create_database, drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.kafka import KafkaOptions
from rapport_runtime.migrations import upgrade
from tests.load import check, log
from tests.load.order import Order, Outcome
from tests.support.places import JARS

GOAL_OF_BARE = 0.1
GOAL_OF_TWIN = 30.0
TITLES = {
    "bare": "bare poll and decode",
    "per_event": "per-event twin, outbox left",
    "publishing": "per-event twin, all published",
    "worker": "scoring worker, all published",
}
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
    of_publishing: float


def main() -> int:
    """Run the bench and print it; 1 when a goal is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--twin-events", type=int, default=TWIN_EVENTS)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="cProfile of the worker on stderr")
    parser.add_argument("--only", choices=TITLES, help="one contender, no ratios")
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
                name: measure(running, name, order, plan.events)
                for name in TITLES
                if asked.only in (None, name)
            }
            show(outcomes)
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


def measure(running: Servers, contender: str, order: Order, activities: int) -> Outcome:
    """Run one contender on an empty database; the worker's work is checked afterwards.

    Raises RuntimeError when the contender failed, or what it left behind is not what it claims.
    """
    made = create_database(running.postgres.url(), "scoring", prefix="bench_")
    try:
        upgrade(made.owner_url, "scoring_service")
        before = check.ends(order.bootstrap)
        servers_before = _cpu_seconds(running)
        outcome = _run(contender, replace(order, database_url=made.worker_url))
        parts = outcome.parts | {
            f"CPU of {name}": now - then
            for (name, now), then in zip(
                _cpu_seconds(running).items(), servers_before.values(), strict=True
            )
        }
        if contender == "worker":
            changes = check.check(made.worker_url, order.bootstrap, activities, before)
            print(f"{changes:,} tier changes, each on the bus once; outbox empty")
        return outcome._replace(parts=parts)
    finally:
        drop_database(running.postgres.url(), "scoring", prefix="bench_")


def _run(contender: str, order: Order) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.contender", contender],
        input=json.dumps(asdict(order)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{contender} ended with {done.returncode}")
    return Outcome(**json.loads(done.stdout))


def _cpu_seconds(running: Servers) -> dict[str, float]:
    """What the servers have used so far; Postgres with the sessions that have ended."""
    return {
        name: _cpu_of(server.pid) if server.owned else 0.0
        for name, server in (("Postgres", running.postgres), ("Kafka", running.kafka))
    }


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def ratios_of(outcomes: Mapping[str, Outcome]) -> Ratios:
    """How the worker compares."""
    rate = {name: outcome.records / outcome.seconds for name, outcome in outcomes.items()}
    others = ("bare", "per_event", "publishing")
    return Ratios(*(rate["worker"] / rate[name] for name in others))


def show(outcomes: Mapping[str, Outcome]) -> None:
    """Print one run's figures, and where the worker's time went."""
    for name, outcome in outcomes.items():
        per_100k = 100_000 / outcome.records
        servers_cpu = (outcome.parts[f"CPU of {server}"] for server in ("Postgres", "Kafka"))
        postgres_cpu, kafka_cpu = (seconds * per_100k for seconds in servers_cpu)
        print(
            f"{TITLES[name]:<36} {outcome.records / outcome.seconds:>9,.0f}/s   CPU s/100k:"
            f" {outcome.cpu_seconds * per_100k:6.2f} own {postgres_cpu:6.2f} Postgres"
            f" {kafka_cpu:6.2f} Kafka   peak {outcome.peak_mib:4.0f} MiB"
        )
    if "worker" in outcomes:
        worker = outcomes["worker"]
        spent = ", ".join(
            f"{part} {100 * worker.parts[part] / worker.seconds:.0f} %"
            for part in ("poll", "decode", "transaction", "sweep", "relay")
        )
        print(f"the worker's {worker.seconds:.1f} s: {spent}")


def judge(runs: Sequence[Ratios]) -> int:
    """Print the medians beside their goals; 1 when one is short."""
    code = 0
    for title, goal, found in (
        ("of bare poll and decode", GOAL_OF_BARE, [run.of_bare for run in runs]),
        ("times the per-event twin", GOAL_OF_TWIN, [run.of_twin for run in runs]),
    ):
        median = statistics.median(found)
        verdict = "ok" if median >= goal else "short"
        code |= verdict == "short"
        print(f"scoring, one worker, {title}: {median:.2f}, goal {goal:g}: {verdict}")
    whole = statistics.median(run.of_publishing for run in runs)
    print(
        f"(times a twin that publishes after each commit, as the worker does: {whole:.2f}, no goal)"
    )
    return code


def _rulebook() -> Any:
    built_in = resources.files("scoring_service") / "rulebooks" / "rfm.json"
    return json.loads(built_in.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
