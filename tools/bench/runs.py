"""Candidates set going together, each in a process of its own, and what they cost the servers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import IO, NamedTuple

import psycopg

from tools.bench.environment import Environment
from tools.bench.order import Order, Outcome, together

POLL_SECONDS = 0.02
EMPTY_SECONDS = 120.0
_END_SECONDS = 30.0
_WAITING = "SELECT EXISTS (SELECT FROM outbox)"


class Run(NamedTuple):
    """What a candidate measured, and the CPU seconds that the servers used meanwhile."""

    outcome: Outcome
    servers: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.outcome.rate

    @property
    def cpu_per_record(self) -> float:
        """CPU seconds of a record in the candidate's own processes."""
        return self.outcome.cpu_seconds / self.outcome.records


class Child:
    """One candidate's process, as the bench sees it. Raises RuntimeError when it ended early."""

    def __init__(self, candidate: str, order: Order, errors: IO[str] | None = None) -> None:
        self._candidate = candidate
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.candidate", candidate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self._say(json.dumps(asdict(order)))

    def await_ready(self) -> None:
        """Return once it holds its partitions."""
        self._hear()

    def go(self) -> None:
        """Set it going."""
        self._say("go")

    def outcome(self) -> Outcome:
        """Wait for what it measured."""
        return Outcome(**json.loads(self._hear()))

    def told_to_end(self) -> None:
        """Close its input, which is its sign to stop."""
        self._pipe(self._process.stdin).close()

    def end(self) -> int:
        """Wait until it has ended, for so long as may be; its exit code."""
        self.told_to_end()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe(self._process.stdout).close()
        return self._process.returncode

    def _say(self, line: str) -> None:
        pipe = self._pipe(self._process.stdin)
        pipe.write(f"{line}\n")
        pipe.flush()

    def _hear(self) -> str:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self._candidate} ended with {self._process.wait(_END_SECONDS)}")
        return line

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None, "made with pipes"
        return pipe


@contextmanager
def child(candidate: str, order: Order, errors: IO[str] | None = None) -> Iterator[Child]:
    """A candidate that is ready to go, ended afterwards; what it says of errors goes to this
    process's own, or to `errors`."""
    made = Child(candidate, order, errors)
    try:
        yield made
    finally:
        code = made.end()
    if code:
        raise RuntimeError(f"{candidate} ended with {code}")


def run(environment: Environment, candidate: str, order: Order) -> Run:
    """Run all members of one candidate, from one start."""
    before = environment.cpu_seconds()
    with ExitStack() as stack:
        members = [stack.enter_context(child(candidate, order)) for _ in range(order.members)]
        outcome = together(_started(members))
    return Run(outcome, _used(environment, before))


def run_beside(environment: Environment, candidate: str, order: Order, side_thread: str) -> Run:
    """Run one candidate beside another; it ends when nothing waits in the outbox any more. CPU is
    that of both."""
    before = environment.cpu_seconds()
    with child(side_thread, order) as other:
        with child(candidate, order) as main:
            other.await_ready()
            other.go()
            outcome = _started([main])[0]
            ended = _emptied(order.database_url)
        other.told_to_end()
        beside = other.outcome()
    both = outcome.cpu_seconds + beside.cpu_seconds
    return Run(outcome._replace(ended=ended, cpu_seconds=both), _used(environment, before))


def _started(members: Sequence[Child]) -> list[Outcome]:
    for member in members:
        member.await_ready()
    for member in members:
        member.go()
    return [member.outcome() for member in members]


def _emptied(url: str) -> float:
    """The instant at which the outbox was seen empty. Raises RuntimeError if it never is."""
    deadline = time.monotonic() + EMPTY_SECONDS
    with psycopg.connect(url, autocommit=True) as database:
        while database.execute(_WAITING).fetchone() != (False,):
            if time.monotonic() > deadline:
                raise RuntimeError("the outbox was not emptied in time")
            time.sleep(POLL_SECONDS)
    return time.monotonic()


def _used(environment: Environment, before: Mapping[str, float]) -> Mapping[str, float]:
    return {name: now - before[name] for name, now in environment.cpu_seconds().items()}


def line_of(title: str, run: Run) -> str:
    """A run's figures for people: rate, CPU of everybody for 100,000 records, peak memory."""
    outcome = run.outcome
    per_100k = 100_000 / outcome.records
    servers = " ".join(f"{seconds * per_100k:6.2f} {name}" for name, seconds in run.servers.items())
    return (
        f"  {title:<38} {outcome.rate:>9,.0f}/s   CPU s/100k:"
        f" {outcome.cpu_seconds * per_100k:6.2f} own {servers}   peak {outcome.peak_mib:4.0f} MiB"
    )


def split_of(run: Run, parts: Sequence[str]) -> str:
    """Where the wall time of a run went."""
    outcome = run.outcome
    shares = ", ".join(f"{p} {100 * outcome.parts[p] / outcome.seconds:.0f} %" for p in parts)
    return f"    of its {outcome.seconds:.1f} s: {shares}"
