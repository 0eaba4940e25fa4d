"""The pipeline while clients are rebuilt and a practice moves from zone to zone, and whoever works
at it is killed: ingestion's, scoring's and outreach's workers, and the command `rebuild`.

All that is random follows from the plan's seed, but for what two processes do at the same time.
"""

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from rapport_devkit.kafka import Kafka
from rapport_devkit.people import Person
from rapport_devkit.postgres import Postgres
from rapport_devkit.stack import Stack
from tests.support.generators.due_clients import with_due_clients
from tests.support.generators.workload import PRACTICES, Sent, Workload, WorkloadSize, generate
from tests.support.pipeline.run import PipelinePlan, PipelineRun, Say, World, pipeline_options
from tests.support.pipeline.tier_watch import TierWatch
from tests.support.pipeline.workers import KILLED, Workers
from tests.support.servers.bus_log import RawProducer

MOVING = PRACTICES[1]
"""The practice that changes its zone; the other one is only rebuilt."""
ZONES = ("Europe/Berlin", "Asia/Kolkata", "Atlantic/Azores", "Asia/Shanghai", "Europe/London")
"""In all of them it is the same day, and an hour for messages, when a day of the workload comes."""
FAILPOINTS = {
    "ingestion": (
        *("in_tx", "before_db_commit", "after_db_commit"),
        *("accepted", "outbox_claimed", "acked_not_marked", "turning"),
    ),
    "scoring": ("in_tx", "before_db_commit", "after_db_commit", "acked_not_marked"),
    "outreach": ("in_tx", "before_db_commit", "after_db_commit"),
}
FIRST_FALL = 3
RECORDS_AT_ONCE = 20
"""Of one poll of a reader, so that a client's facts come in several transactions."""
SENDINGS, SENDING_SECONDS = 10, 1.5
"""A day's events are sent in so many parts, over so long."""
MOST_STRIKE_SECONDS = 15.0
MOST_TURNING_SECONDS = 120.0
READY_SECONDS = 240.0
_TURN_SECONDS = 0.05
_MOVING = "SELECT count(*) FROM practice_zone WHERE changed_at IS NOT NULL"


@dataclass(frozen=True, kw_only=True)
class RebuildPlan:
    """How much, and on which days the practice moves, and a worker of each service is killed. On
    each day clients are rebuilt."""

    size: WorkloadSize
    moves: tuple[int, ...]
    deadly: tuple[int, ...]

    def workload(self) -> Workload:
        """The events, and clients whom time moves meanwhile."""
        return with_due_clients(generate(self.size), FIRST_FALL, self.size.days - 1)


SHORT = RebuildPlan(size=WorkloadSize(events=300, clients=40, days=6), moves=(1, 3), deadly=(1, 4))
LONG = RebuildPlan(
    size=WorkloadSize(events=3_000, clients=200, days=24),
    moves=tuple(range(1, 22, 3)),
    deadly=tuple(range(1, 22, 2)),
)


class RebuildCommands:
    """The command `rebuild`, for one scope after the other; killed, it is given again."""

    def __init__(self, stack: Stack) -> None:
        self.done = 0
        self.killed = 0
        self.surprises: list[str] = []
        self._stack = stack
        self._scope: tuple[str, ...] = ()
        self._process: subprocess.Popen[str] | None = None

    @property
    def is_underway(self) -> bool:
        """Whether one runs."""
        return self._process is not None

    def give(self, scope: tuple[str, ...], failpoints: str = "") -> None:
        """Begin to rebuild the clients of a scope."""
        options = ("--why", "a drill", "--by", "ann")
        self._scope = scope
        self._process = self._stack.start_command(
            "ingestion", "rebuild", *scope, *options, failpoints=failpoints
        )

    def tend(self) -> None:
        """See whether it has ended; one that was killed is given again."""
        process = self._process
        if process is None or process.poll() is None:
            return
        output, errors = process.communicate()
        self._process = None
        if process.returncode == KILLED:
            self.killed += 1
            self.give(self._scope)
        elif process.returncode or "not rebuilt" in output:
            self.surprises.append(f"rebuild ended with {process.returncode}: {output}{errors}")
        else:
            self.done += 1

    def end(self) -> None:
        """End the one that runs."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@dataclass
class RebuiltWorld:
    """What is there when such a run has ended; the stack still runs."""

    world: World
    watch: TierWatch
    commands: RebuildCommands
    moves: int


def run_rebuilds(
    plan: RebuildPlan,
    folder: Path,
    look: Callable[[RebuiltWorld], Any],
    *,
    postgres: Postgres | None = None,
    kafka: Kafka | None = None,
    say: Say = lambda _: None,
) -> Any:
    """Run, and return what `look` sees at the end, while everything still runs."""
    base = pipeline_options(folder)
    small = {"RAPPORT_MAX_POLL_RECORDS": str(RECORDS_AT_ONCE)}
    own = {
        service: {**base.service_environment.get(service, {}), **small}
        for service in ("scoring", "outreach")
    }
    options = replace(
        base,
        durable=postgres is not None,
        ready_seconds=READY_SECONDS,
        topic_prefix=f"{folder.name}-" if kafka is not None else "",
        database_prefix=f"{folder.name}_" if postgres is not None else "",
        service_environment={**base.service_environment, **own},
    )
    lists = folder / "failpoints"
    lists.mkdir()
    deaths: dict[str, list[list[Any]]] = {service: [[]] for service in FAILPOINTS}
    pipeline = PipelinePlan(size=plan.size, deaths=deaths, freeze_on=-1)
    with Stack(options, postgres=postgres, kafka=kafka, say=say) as stack:
        workers = Workers(stack, pipeline.slots(), lists)
        run = RebuildRun(plan, pipeline, plan.workload(), stack, workers, say)
        return run.rebuild(look)


class RebuildRun(PipelineRun):
    """A run on whose days clients are rebuilt."""

    def __init__(
        self,
        plan: RebuildPlan,
        pipeline: PipelinePlan,
        workload: Workload,
        stack: Stack,
        workers: Workers,
        say: Say,
    ) -> None:
        super().__init__(pipeline, workload, stack, workers, say)
        self._rebuilds = plan
        self._chance = random.Random(f"rebuilds/{plan.size.seed}")
        self._commands = RebuildCommands(stack)
        self._clients: dict[str, list[str]] = {each.practice_id: [] for each in PRACTICES}
        readers = {each: apis["scoring"] for each, apis in self._practices.items()}
        self._watch = TierWatch(readers, self._clients)
        self._moves = 0

    def rebuild(self, look: Callable[[RebuiltWorld], Any]) -> Any:
        """Run, with the reader looking on until the end."""

        def seen(world: World) -> Any:
            self._watch.stop()
            return look(RebuiltWorld(world, self._watch, self._commands, self._moves))

        try:
            return self.run(seen)
        finally:
            self._watch.stop()
            self._commands.end()

    def _register(self) -> list[tuple[str, Person]]:
        people = super()._register()
        for practice_id, person in people:
            self._clients[practice_id].append(person.client_id)
        self._watch.start()
        return people

    def live(self, day: int, records: list[Sent], producer: RawProducer) -> None:
        """Noon of a day; then clients are rebuilt, the practice moves, and somebody of each service
        is killed, while the day's records go."""
        self._step(self._workload.noon(day))
        if day in self._rebuilds.moves:
            self._move()
        armed = self._arm(moving=day in self._rebuilds.moves) if self._is_deadly(day) else {}
        if not self._commands.is_underway:
            self._commands.give(self._scope(), self._death_of_command())
        size = len(records) // SENDINGS + 1
        for first in range(0, len(records), size):
            producer.send(records[first : first + size])
            self._tend_for(SENDING_SECONDS / SENDINGS)
        self._until_struck(armed)

    def _is_deadly(self, day: int) -> bool:
        return day in self._rebuilds.deadly

    def _move(self) -> None:
        before = self._zones[MOVING.practice_id]
        zone = self._chance.choice([each for each in ZONES if each != before])
        self._zones[MOVING.practice_id] = zone
        self._say(f"day {self._day}: {MOVING.practice_id} moves to {zone}")
        self._register_practice(MOVING)
        self._moves += 1

    def _scope(self) -> tuple[str, ...]:
        """All, a practice, or one client of it."""
        practice_id = self._chance.choice(list(self._clients))
        client_id = self._chance.choice(self._clients[practice_id])
        return self._chance.choice(
            (
                ("--all",),
                ("--practice", practice_id),
                ("--practice", practice_id, "--client", client_id),
            )
        )

    def _death_of_command(self) -> str:
        return self._chance.choice(("", f"rebuilding=kill@{self._chance.randint(1, 20)}"))

    def _arm(self, *, moving: bool) -> dict[str, int]:
        """Arm each worker; how often those in its place have been struck so far. Who turns clients
        is struck there on days on which a practice moves, and on no other."""
        struck = {}
        for slot in self._workers.slots:
            failpoint = self._chance.choice(FAILPOINTS[slot.service])
            passing = self._chance.randint(1, 8)
            if slot.service == "ingestion" and (moving or failpoint == "turning"):
                failpoint = "turning" if moving else "in_tx"
            self._say(f"day {self._day}: {slot.service} dies at {failpoint}, passing {passing}")
            self._workers.arm(slot, f"{failpoint}=kill@{passing}")
            struck[slot.service] = len(slot.struck)
        return struck

    def _tend(self) -> None:
        super()._tend()
        self._commands.tend()

    def _tend_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._tend()
            time.sleep(_TURN_SECONDS)

    def _until_struck(self, armed: dict[str, int]) -> None:
        """Go on until all who are armed have been killed, or long enough; then nobody is armed."""
        until = time.monotonic() + MOST_STRIKE_SECONDS

        def is_alive() -> bool:
            slots = self._workers.slots
            return any(len(s.struck) == armed[s.service] for s in slots if s.service in armed)

        while is_alive() and time.monotonic() < until:
            if not self._commands.is_underway:
                self._commands.give(("--all",))
            self._tend_for(_TURN_SECONDS)
        self._workers.disarm_all()

    def _wind_down(self) -> None:
        """First nobody is rebuilt any more, and everybody is turned."""
        until = time.monotonic() + MOST_TURNING_SECONDS
        while (self._commands.is_underway or self._is_moving()) and time.monotonic() < until:
            self._tend_for(_TURN_SECONDS)
        super()._wind_down()

    def _is_moving(self) -> bool:
        url = self._stack.database("ingestion").worker_url
        with psycopg.connect(url) as database:
            row = database.execute(_MOVING).fetchone()
        return row is not None and bool(row[0])
