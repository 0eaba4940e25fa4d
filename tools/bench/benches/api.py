"""GET one client's tier, with its key, beside the least that FastAPI can do on the same machine."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

import httpx
import psycopg

from rapport_devkit.processes import free_port, spawn, wait_until_ready
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tools.bench import scoring_log
from tools.bench.environment import Environment, cpu_of
from tools.bench.figures import at_least, plain
from tools.bench.http_load import Answers, Load
from tools.bench.sizes import Sizes
from tools.claim import Measured

PREFIX = "api_"
SEED = 20251105
PLAN = scoring_log.Plan(events=20_000, clients=2_000)
PRACTICE = "harbour"
CONNECTIONS = 8
FILL_SECONDS = 120.0
READY_SECONDS = 30.0
_FOLDED = """
    SELECT coalesce(sum(last_sequence - (
        SELECT coalesce(sum(upper(gap) - lower(gap)), 0) FROM unnest(missing) AS gap
    )), 0)::bigint FROM client
"""
_CLIENTS = "SELECT client_id FROM client WHERE practice_id = %s ORDER BY client_id"


class Served(NamedTuple):
    """What a server answered, and the CPU seconds that it took."""

    answers: Answers
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers.answers / self.answers.seconds


def measure(environment: Environment, sizes: Sizes) -> list[Measured]:
    """The rates in turn, so that both meet the same machine."""
    options = StackOptions(
        folder=environment.folder / "api",
        services=("scoring",),
        topic_prefix=PREFIX,
        database_prefix=PREFIX,
        simulated_clock=False,
        environment={"RAPPORT_CALLS_PER_SECOND": "1000000"},  # one key asks for all there is
    )
    ours, bare = [], []
    with (
        Stack(options, postgres=environment.postgres, kafka=environment.kafka) as stack,
        _bare(environment) as app,
    ):
        paths = _filled(stack)
        key = stack.create_key("scoring", "tiers:read", PRACTICE)
        headers = {"Authorization": f"Bearer {key}"}
        port, pid = int(stack.url("scoring").rpartition(":")[2]), stack.child("scoring-api").pid
        for _ in range(sizes.repetitions):
            bare.append(_loaded(app, _load(app.port, ["/"], {}, sizes)))
            ours.append(_loaded(_App(port, pid), _load(port, paths, headers, sizes)))
            print(_line("bare FastAPI endpoint", bare[-1]), flush=True)
            print(_line("GET one tier, with its key", ours[-1]), flush=True)
    return _lines(ours, bare)


class _App(NamedTuple):
    port: int
    pid: int


def _lines(ours: list[Served], bare: list[Served]) -> list[Measured]:
    ratios = [one.rate / other.rate for one, other in zip(ours, bare, strict=True)]
    p50, p99 = (
        statistics.median(getattr(one.answers, name) for one in ours)
        for name in ("p50_ms", "p99_ms")
    )
    rate = statistics.median(one.rate for one in ours)
    costs = [
        statistics.median(1000 * one.cpu_seconds / one.answers.answers for one in runs)
        for runs in (ours, bare)
    ]
    return [
        at_least(
            "GET one tier, of a bare endpoint's rate",
            ratios,
            0.35,
            note=f"CPU {costs[0]:.2f} to {costs[1]:.2f} ms",
        ),
        plain("GET one tier, answers a second", f"{rate:,.0f} (p50 {p50:.1f}, p99 {p99:.1f} ms)"),
    ]


def _filled(stack: Stack) -> list[str]:
    """The paths of the practice's clients, once the worker has scored the whole log."""
    scoring_log.write(stack.kafka_options("bench"), PLAN, SEED)
    deadline = time.monotonic() + FILL_SECONDS
    with psycopg.connect(stack.database("scoring").worker_url, autocommit=True) as database:
        while database.execute(_FOLDED).fetchone() != (PLAN.events,):
            if time.monotonic() > deadline:
                raise RuntimeError("scoring has not read its log in time")
            time.sleep(0.1)
        rows = database.execute(_CLIENTS, (PRACTICE,)).fetchall()
    stack.end_child("scoring-worker-1")
    return [f"/v1/clients/{client}/tier" for (client,) in rows]


@contextmanager
def _bare(environment: Environment) -> Iterator[_App]:
    """The bare app under uvicorn, one worker, as quiet as ours."""
    port, log = free_port(), environment.folder / "bare.log"
    quiet = ["--no-access-log", "--log-level", "warning", "--no-server-header"]
    process = spawn(
        [sys.executable, "-m", "uvicorn", "tools.bench.bare_app:app", f"--port={port}", *quiet], log
    )

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/").is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until_ready(process, log, answers, timeout_seconds=READY_SECONDS)
        yield _App(port, process.pid)
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


def _load(port: int, paths: list[str], headers: dict[str, str], sizes: Sizes) -> Load:
    return Load(
        port=port,
        paths=paths,
        headers=headers,
        connections=CONNECTIONS,
        seconds=sizes.api_seconds,
    )


def _loaded(app: _App, load: Load) -> Served:
    """Run the client to its end. CPU of the server counts its warm-up too, so it is scaled."""
    before = cpu_of(app.pid)
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.http_load"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=load.seconds + load.warm_up_seconds + READY_SECONDS,
    )
    share = load.seconds / (load.seconds + load.warm_up_seconds)
    return Served(Answers(**json.loads(done.stdout)), (cpu_of(app.pid) - before) * share)


def _line(title: str, served: Served) -> str:
    answers = served.answers
    return (
        f"  {title:<28} {served.rate:>7,.0f}/s   p50 {answers.p50_ms:5.2f} ms, p99"
        f" {answers.p99_ms:5.2f} ms   CPU: server {served.cpu_seconds / answers.seconds:4.0%},"
        f" client {answers.cpu_seconds / answers.seconds:4.0%}"
    )
