"""What may go wrong, each kind with its requirement (R1, R2 …), written down step by step.

A fault's `steps` is a generator over the environment: it acts, yields the seconds until its
next step, and has ended when it returns. The storm drives several of them on its own thread while
the day's records are being sent.
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from rapport_devkit.chaos import ChaosProxy, is_commit, is_produce
from tools.campaign.dead_letters import replay_all
from tools.campaign.environment import StormEnvironment

SERVICES = ("ingestion", "scoring", "outreach")
FREEZE_SECONDS = 15.0
"""Two and a half sessions."""

UNREADY_SECONDS = 14.0
"""Longer than a worker's readiness outlasts the last proof of its servers (10 s)."""

CONNECT_SECONDS = 1.5
"""After a cut, so that the next one finds connections again."""

Steps = Callable[[StormEnvironment], Iterator[float]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `on` is what it takes away: two on the same come one after the other. `in_doubt`:
    what was sent meanwhile may not get written down. `unready`: every worker must say 503 by then.
    `apis_answer`: every API must answer meanwhile."""

    row: str
    kind: str
    on: str
    steps: Steps
    in_doubt: bool = False
    unready: bool = False
    apis_answer: bool = False


# --- workers and APIs -----------------------------------------------------------------------


def shot(service: str, place: int) -> Fault:
    """SIGKILL at whatever moment it is."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        environment.workers.shoot(environment.slot(service, place))
        yield 0

    kind = f"{service} worker: SIGKILL at a random moment"
    return Fault(row="R1", kind=kind, on=f"{service}/{place}", steps=steps)


def told_to_stop(service: str, place: int) -> Fault:
    """SIGTERM under load; `Workers` takes an exit that is not 0 within 10 s for a surprise."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        environment.exits.append(
            environment.workers.swap(environment.slot(service, place), environment.day)
        )
        yield 0

    return Fault(row="R2", kind=f"{service} worker: SIGTERM", on=f"{service}/{place}", steps=steps)


def frozen(service: str) -> Fault:
    """SIGSTOP past the session, then SIGCONT: a zombie."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        environment.workers.freeze(service, FREEZE_SECONDS)
        yield FREEZE_SECONDS

    kind = f"{service} worker: SIGSTOP past its session, SIGCONT"
    in_doubt = service == "outreach"
    return Fault(row="R3", kind=kind, on=f"{service}/frozen", steps=steps, in_doubt=in_doubt)


def api_killed(service: str) -> Fault:
    """SIGKILL of an API; the supervisor starts it again."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        environment.stack.child(f"{service}-api").kill()
        yield 0

    return Fault(row="R1", kind=f"{service} API: SIGKILL", on=f"{service}-api", steps=steps)


def rebalances(service: str) -> Fault:
    """From two workers to four, two, three and two again, one change every 3 s."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        for joins in (True, True, False, False, True, False):
            if joins:
                environment.workers.join(service)
            else:
                environment.workers.leave()
            yield 3

    return Fault(
        row="R15", kind=f"{service}: six rebalances in 18 s", on=f"{service}/members", steps=steps
    )


# --- the broker -----------------------------------------------------------------------------


def _broker(kind: str, steps: Steps, *, row: str = "R4", unready: bool = False) -> Fault:
    return Fault(
        row=row, kind=f"broker: {kind}", on="broker", steps=steps, unready=unready, apis_answer=True
    )


def _kafka(environment: StormEnvironment) -> ChaosProxy:
    return environment.before_kafka


def _postgres(environment: StormEnvironment) -> ChaosProxy:
    return environment.before_postgres


Before = Callable[[StormEnvironment], ChaosProxy]


def _cut(before: Before, times: int) -> Steps:
    def steps(environment: StormEnvironment) -> Iterator[float]:
        for _ in range(times):
            before(environment).cut()
            yield 0.5 if times > 1 else CONNECT_SECONDS

    return steps


def _weather(before: Before, begin: Callable[[ChaosProxy], None], seconds: float) -> Steps:
    """Something is wrong with the network for so long."""

    def steps(environment: StormEnvironment) -> Iterator[float]:
        begin(before(environment))
        yield seconds
        before(environment).heal()

    return steps


def _broker_killed(environment: StormEnvironment) -> Iterator[float]:
    environment.kafka.kill()
    environment.before_kafka.refuse()
    yield 3
    environment.kafka.restart()
    environment.before_kafka.heal()


BROKER = (
    _broker("all connections cut", _cut(_kafka, 1)),
    _broker("ten cuts in 5 s", _cut(_kafka, 10)),
    _broker("refuses for 6 s", _weather(_kafka, ChaosProxy.refuse, 6)),
    _broker("black hole", _weather(_kafka, ChaosProxy.blackhole, UNREADY_SECONDS), unready=True),
    _broker("connections half-open for 12 s", _weather(_kafka, ChaosProxy.half_open, 12)),
    _broker("20 ms slower for 5 s", _weather(_kafka, lambda proxy: proxy.delay(0.02), 5)),
    _broker("64 kB/s for 5 s", _weather(_kafka, lambda proxy: proxy.throttle(65_536), 5)),
    _broker(
        "answers to Produce lost",
        _weather(_kafka, lambda proxy: proxy.lose_answers(is_produce, 3), 3),
    ),
    _broker("SIGKILL and restart", _broker_killed),
)


# --- Postgres -------------------------------------------------------------------------------


def _database(kind: str, steps: Steps) -> Fault:
    return Fault(row="R6", kind=f"Postgres: {kind}", on="postgres", steps=steps, in_doubt=True)


def _crash(how: signal.Signals) -> Steps:
    def steps(environment: StormEnvironment) -> Iterator[float]:
        os.kill(environment.postgres.pid, how)
        environment.before_postgres.refuse()
        yield 1
        environment.postgres.restart()
        environment.before_postgres.heal()

    return steps


POSTGRES = (
    _database("all connections cut", _cut(_postgres, 1)),
    _database("ten cuts in 5 s", _cut(_postgres, 10)),
    _database("refuses for 4 s", _weather(_postgres, ChaosProxy.refuse, 4)),
    _database("black hole for 8 s", _weather(_postgres, ChaosProxy.blackhole, 8)),
    _database("5 ms slower for 4 s", _weather(_postgres, lambda proxy: proxy.delay(0.005), 4)),
    _database(
        "answers to COMMIT lost",
        _weather(_postgres, lambda proxy: proxy.lose_answers(is_commit, 4), 3),
    ),
    _database("immediate shutdown, restart", _crash(signal.SIGQUIT)),
    _database("SIGKILL, restart", _crash(signal.SIGKILL)),
)


SQUALLS = tuple(
    fault
    for fault in (*BROKER, *POSTGRES)
    if fault.kind.endswith(("all connections cut", "lost", "slower for 5 s", "slower for 4 s"))
)
"""The short ones, of which a day can take several."""


# --- load -----------------------------------------------------------------------------------


def _backlog(environment: StormEnvironment) -> Iterator[float]:
    """No worker of ingestion, hence no relay; intake over REST goes on and fills the outbox."""
    environment.workers.dismiss("ingestion")
    yield 6
    with psycopg.connect(environment.postgres.url("ingestion")) as connection:
        row = connection.execute("SELECT count(*) FROM outbox").fetchone()
    environment.backlogs.append(row[0] if row else 0)
    environment.workers.recall("ingestion", environment.day)


def _letters(environment: StormEnvironment) -> Iterator[float]:
    """All dead letters of ingestion replayed in random order, and once more."""
    replay_all(environment)
    yield 3
    replay_all(environment)


def _flood(environment: StormEnvironment) -> Iterator[float]:
    """One practice sends again, at once, what it has sent on the days before."""
    environment.flood()
    yield 0


def _burst(_environment: StormEnvironment) -> Iterator[float]:
    """The plan has put a large part of all events on this day."""
    yield 0


BACKLOG = Fault(
    row="R20",
    kind="ingestion: no relay while REST takes events",
    on="ingestion/all",
    steps=_backlog,
)
LETTERS = Fault(row="R12", kind="all dead letters replayed twice", on="letters", steps=_letters)
FLOOD = Fault(
    row="R28", kind="a practice sends thousands of records at once", on="flood", steps=_flood
)
BURST = Fault(row="R23", kind="a burst of ten days' records", on="burst", steps=_burst)
