"""A seeded plan: how large a storm is, and what goes wrong on which of its days."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.support.generators.workload import WorkloadSize
from tools.campaign.faults import (
    BACKLOG,
    BROKER,
    BURST,
    FLOOD,
    LETTERS,
    POSTGRES,
    SERVICES,
    SQUALLS,
    Fault,
    api_killed,
    frozen,
    rebalances,
    shot,
    told_to_stop,
)
from tools.campaign.purges import purge_killed

_EVERY_WORKER = (
    *("polled", "in_tx", "before_db_commit", "after_db_commit", "before_kafka_commit"),
    *("outbox_claimed", "acked_not_marked", "rebalance_assigned"),
)
OF_A_FLOOD = ("deferring", "draining", "releasing")
"""What ingestion's worker passes only while one practice sends more than its share."""

OF_A_SEND = (
    "intent_claimed",
    "claim_committed",
    "request_sent",
    "response_read",
    "result_recorded",
)
"""What outreach's worker passes for each message."""

PASSED_BY_TIME = ("sweeping",)
"""What a worker passes when the clock is set to the day, before its records come."""

FAILPOINTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "ingestion": (*_EVERY_WORKER, "accepted", *OF_A_FLOOD),
        "scoring": (*_EVERY_WORKER, *PASSED_BY_TIME),
        "outreach": (*_EVERY_WORKER, *OF_A_SEND),
    }
)
"""Every failpoint that a worker of the service passes."""

SQUALLS_A_DAY = 12
PLACES = 2
"""Workers of each service."""


@dataclass(frozen=True)
class Kill:
    """The worker in a place will be killed at a failpoint."""

    service: str
    place: int
    failpoint: str

    @property
    def kind(self) -> str:
        """What the report calls it."""
        return f"{self.service} worker: SIGKILL at {self.failpoint}"


@dataclass
class StormDay:
    """What goes wrong on one day."""

    kills: list[Kill] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    compare: bool = False


@dataclass(frozen=True)
class Storm:
    """One round: a world's size and its days."""

    size: WorkloadSize
    days: list[StormDay]


def short(seed: int) -> Storm:
    """For CI: each failpoint of the trade, each kind of outage once."""
    chance = random.Random(f"storm/{seed}")
    kills = [
        *_kills(chance, "ingestion", 6),
        *_kills(chance, "scoring", 6),
        *_kills(chance, "outreach", 6),
    ]
    broker, postgres = {f.kind: f for f in BROKER}, {f.kind: f for f in POSTGRES}
    together = [
        [broker["broker: black hole"]],
        [broker["broker: SIGKILL and restart"], told_to_stop("scoring", 0)],
        [postgres["Postgres: immediate shutdown, restart"], broker["broker: ten cuts in 5 s"]],
        [postgres["Postgres: black hole for 8 s"], api_killed(chance.choice(SERVICES))],
        [
            rebalances("scoring"),
            broker["broker: answers to Produce lost"],
            told_to_stop("outreach", 1),
        ],
        [BACKLOG, postgres["Postgres: answers to COMMIT lost"], shot("scoring", 1)],
        [frozen(chance.choice(SERVICES)), postgres["Postgres: all connections cut"]],
        [
            *(BURST, LETTERS, told_to_stop("ingestion", 0), broker["broker: 64 kB/s for 5 s"]),
            purge_killed("scoring"),
        ],
    ]
    return _storm(chance, seed, kills, together, events=2_000, clients=160)


def full(seed: int) -> Storm:
    """A round of the campaign: every failpoint of every service, every kind of outage."""
    chance = random.Random(f"campaign/{seed}")
    kills = [kill for service in SERVICES for kill in _kills(chance, service, 14)]
    outages = [[each] for each in (*BROKER, *POSTGRES)]
    chance.shuffle(outages)
    together = [_two_at_once(outages) for _ in range(len(outages) // 2)] + outages
    for service in SERVICES:
        for fault in (
            frozen(service),
            rebalances(service),
            api_killed(service),
            purge_killed(service),
        ):
            _room(chance, together, fault).append(fault)
        for place in range(PLACES):
            for fault in (shot(service, place), told_to_stop(service, place)):
                _room(chance, together, fault).append(fault)
    _room(chance, together, BACKLOG).append(BACKLOG)
    together.append([BURST, LETTERS])
    storm = _storm(chance, seed, kills, together, events=4_000, clients=300)
    for day in storm.days[1:]:
        day.faults += _squalls(chance, day)
    return storm


def _two_at_once(outages: list[list[Fault]]) -> list[Fault]:
    """The next outage, with another of the other server where there is one."""
    first = outages.pop()
    for second in outages:
        if second[0].on != first[0].on:
            outages.remove(second)
            return first + second
    return first


def _squalls(chance: random.Random, day: StormDay) -> list[Fault]:
    """Some short ones more, one after the other; not where members come and go in good order,
    where letters are replayed by a caller without patience, or a silence is measured."""
    if any(fault.unready or fault.row in ("R12", "R15") for fault in day.faults):
        return []
    return [chance.choice(SQUALLS) for _ in range(SQUALLS_A_DAY)]


def _room(chance: random.Random, days: list[list[Fault]], fault: Fault) -> list[Fault]:
    """A day on which nothing stands in the fault's way; a new one if there is none."""
    free = [day for day in days if not any(_collide(fault, other) for other in day)]
    if not free:
        days.append([])
        free = days[-1:]
    return chance.choice(free)


def _fits(kill: Kill, day: StormDay) -> bool:
    """Whether nothing else strikes that place, or that service's workers, on the day; and where
    every worker must become unready, no new one may begin."""
    taken = any(kill.service == k.service and kill.place == k.place for k in day.kills)
    touched = any(f.unready or f.on.partition("/")[0] == kill.service for f in day.faults)
    return not taken and not touched


def _collide(one: Fault, other: Fault) -> bool:
    """Whether both take away the same thing, or workers of the same service; members come and go
    in good order only while the servers answer. A worker that must stop while Postgres answers
    nothing cannot stop in good order: nothing is promised there."""
    rows, kinds = {one.row, other.row}, one.kind + other.kind
    return bool(
        one.on.partition("/")[0] == other.on.partition("/")[0]
        or rows <= {"R3", "R15", "R20"}
        or ("R15" in rows and {one.on, other.on} & {"broker", "postgres"})
        or (rows & {"R2", "R20"} and "Postgres: black hole" in kinds)
    )


def _kills(chance: random.Random, service: str, many: int) -> list[Kill]:
    """So many failpoints of a service, each once before one comes again, in both places."""
    names = list(FAILPOINTS[service])
    chance.shuffle(names)
    return [Kill(service, number % PLACES, names[number % len(names)]) for number in range(many)]


def _storm(
    chance: random.Random,
    seed: int,
    kills: list[Kill],
    together: list[list[Fault]],
    *,
    events: int,
    clients: int,
) -> Storm:
    """Deal everything to days: a worker's place is struck once a day; a quiet first day."""
    days = [StormDay(faults=list(faults)) for faults in together]
    chance.shuffle(days)
    for kill in kills:
        free = [day for day in days if _fits(kill, day)]
        if not free:
            days.append(StormDay())
            free = days[-1:]
        chosen = min(free, key=lambda day: len(day.kills))
        chosen.kills.append(kill)
        if kill.failpoint in OF_A_FLOOD and FLOOD not in chosen.faults:
            chosen.faults.append(FLOOD)
    days = [StormDay(), *days]
    bursts = tuple(n for n, day in enumerate(days) if BURST in day.faults)
    for number in chance.sample(range(1, len(days)), 3):
        days[number].compare = True
    size = WorkloadSize(events=events, clients=clients, days=len(days), seed=seed, bursts=bursts)
    return Storm(size, days)
