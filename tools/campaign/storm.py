"""One round of the storm: a world of its own, some weeks in days, and the faults of a seeded plan.

Each day begins when all is well. The records are sent, spread over the day's faults; when the last
fault has ended the clock moves by a minute, and the day has recovered once every service has
reached that minute (all that was sent is then folded, published and planned) and everybody is
ready.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.generators.workload import Sent, Workload, generate
from tests.support.oracles.messages import Window
from tests.support.pipeline.run import PATIENCE_SECONDS, PipelinePlan, PipelineRun, Say, World
from tests.support.pipeline.workers import IN_HANDS, Slot
from tests.support.servers.bus_log import RawProducer
from tools.campaign.dead_letters import accept_what_time_has_cured, decider_keys, queued
from tools.campaign.environment import StormEnvironment, open_environment
from tools.campaign.faults import BACKLOG, LETTERS, SERVICES, Fault
from tools.campaign.plan import PASSED_BY_TIME, PLACES, Kill, Storm, StormDay
from tools.campaign.sender import Sender, flood, sent_until
from tools.campaign.watch import Watch

MOST_STRIKE_SECONDS = 20.0
"""How long a day waits for its armed workers to come by their failpoints."""

A_MINUTE = timedelta(minutes=1)
_TURN_SECONDS = 0.1
QUESTIONS = {
    "ingestion": "/v1/sources",
    "scoring": "/v1/distribution",
    "outreach": "/v1/messages/summary",
}


class NotRecovered(RuntimeError):
    """All was not well again within the patience; the message says what was not."""


@dataclass
class Incident:
    """A fault that was injected; instants are of the steady clock. `recovered_seconds`: from its
    end until all was well again; None if that was never seen. `unready_seconds`: from its begin
    until every worker answered 503, in the rounds that measure it. `apis_silent`: how often an
    API did not answer though it had to (`apis_must_answer`)."""

    row: str
    kind: str
    day: int
    began_at: str
    began: float
    ended: float
    recovered_seconds: float | None = None
    must_be_unready: bool = False
    unready_seconds: float | None = None
    apis_must_answer: bool = False
    apis_silent: int = 0


@dataclass
class StormWorld:
    """What is there when a round has ended; the stack still runs."""

    world: World
    environment: StormEnvironment
    watch: Watch
    incidents: list[Incident]
    compared: dict[int, dict[str, list[str]]]


Compare = Callable[[World], dict[str, list[str]]]
"""The tiers as they are against the oracle's: faults by kind."""


def run_round(
    storm: Storm,
    folder: Path,
    look: Callable[[StormWorld], Any],
    compare: Compare,
    *,
    incidents: list[Incident],
    say: Say = lambda _: None,
) -> Any:
    """Storm, and return what `look` sees at the end. `compare` runs on quiet evenings too.

    `incidents` is filled as they happen, so that a round that breaks off still has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = PipelinePlan(
        size=storm.size,
        deaths={service: [[] for _ in range(PLACES)] for service in SERVICES},
        freeze_on=-1,
    )
    chance = random.Random(f"round/{storm.size.seed}")
    with open_environment(folder, plan.slots(), chance, say) as environment:
        run = StormRun(storm, plan, generate(storm.size), environment, compare, incidents, say)
        return run.weather(look)


@dataclass
class _Underway:
    """A fault between its steps."""

    fault: Fault
    incident: Incident
    steps: Iterator[float]
    due: float


class StormRun(PipelineRun):
    """A run whose days are stormy."""

    def __init__(
        self,
        storm: Storm,
        plan: PipelinePlan,
        workload: Workload,
        environment: StormEnvironment,
        compare: Compare,
        incidents: list[Incident],
        say: Say,
    ) -> None:
        super().__init__(plan, workload, environment.stack, environment.workers, say)
        self._storm = storm
        self._environment = environment
        self._compare = compare
        self._incidents = incidents
        self._open: list[Incident] = []
        self._armed: dict[str, Kill] = {}
        self._compared: dict[int, dict[str, list[str]]] = {}
        environment.letters = decider_keys(environment.stack)

    def weather(self, look: Callable[[StormWorld], Any]) -> Any:
        """Run, with the watch looking on until the end."""
        questions = {
            service: (next(iter(self._practices.values()))[service], path)
            for service, path in QUESTIONS.items()
        }
        watch = Watch(self._stack, self._environment.postgres, questions)

        def seen(world: World) -> Any:
            watch.stop()
            for incident in self._incidents:
                if incident.apis_must_answer:
                    silent = watch.silent_between(incident.began, incident.ended)
                    incident.apis_silent = len(silent)
            return look(
                StormWorld(world, self._environment, watch, self._incidents, self._compared)
            )

        with watch:
            return self.run(seen)

    # -- a day ----------------------------------------------------------------------------------

    def live(self, day: int, records: list[Sent], producer: RawProducer) -> None:
        """Noon, the day's faults while its records go, and a minute later all must be well."""
        planned = self._storm.days[day]
        self._environment.day = day
        self._arm([kill for kill in planned.kills if kill.failpoint in PASSED_BY_TIME])
        self._step(self._workload.noon(day))
        self._workers.servers_away_since = datetime.now(UTC) if _takes_servers(planned) else None
        sender = Sender(
            self._workload, producer, self._practices, by_rest=BACKLOG in planned.faults
        )
        flooding: list[Future[None]] = []
        with ThreadPoolExecutor(2) as pool:
            self._environment.flood = lambda: flooding.append(
                pool.submit(flood, self._workload, day, producer)
            )
            sending = pool.submit(sender.send, records, seconds=_sending_seconds(planned))
            self._arm([kill for kill in planned.kills if kill.failpoint not in PASSED_BY_TIME])
            self._storm_on(planned.faults, sending)
            sending.result()
            for each in flooding:
                each.result()
        self._recover(day, planned)
        if planned.compare:
            self._compared[day] = self._compare_now(day)

    def _arm(self, kills: list[Kill]) -> None:
        for kill in kills:
            slot = self._environment.slot(kill.service, kill.place)
            passing = self._environment.chance.choice((1, 1, 2))
            self._workers.arm(slot, f"{kill.failpoint}=kill@{passing}")
            self._armed[slot.name] = kill

    def _storm_on(self, faults: list[Fault], sending: "Future[None]") -> None:
        """Drive the faults until all have ended and the armed have struck, or long enough."""
        only_broker = all(fault.apis_answer for fault in faults)
        waiting, underway = list(faults), list[_Underway]()
        last_strike = time.monotonic() + MOST_STRIKE_SECONDS
        while (
            waiting
            or underway
            or not sending.done()
            or (self._armed and time.monotonic() < last_strike)
        ):
            for fault in _next(waiting, underway):
                waiting.remove(fault)
                underway.append(self._begin(fault, only_broker=only_broker))
            self._tend()
            underway = [each for each in underway if self._goes_on(each)]
            time.sleep(_TURN_SECONDS)

    def _begin(self, fault: Fault, *, only_broker: bool) -> _Underway:
        now = time.monotonic()
        incident = self._incident(fault.row, fault.kind, now)
        incident.apis_must_answer = only_broker
        incident.must_be_unready = fault.unready
        return _Underway(fault, incident, fault.steps(self._environment), now)

    def _goes_on(self, each: _Underway) -> bool:
        now = time.monotonic()
        if each.fault.unready and each.incident.unready_seconds is None and self._nobody_is_ready():
            each.incident.unready_seconds = now - each.incident.began
        if now < each.due:
            return True
        try:
            each.due = time.monotonic() + next(each.steps)
        except StopIteration:
            each.incident.ended = time.monotonic()
            if each.fault.in_doubt:
                self._doubt(each.incident)
            return False
        return True

    def _doubt(self, incident: Incident) -> None:
        """What was in hands when the fault began, and until it had ended, may stay unknown."""
        now = datetime.now(UTC)
        lasted = timedelta(seconds=incident.ended - incident.began)
        self._workers.in_doubt.append(Window(now - lasted - IN_HANDS, now + IN_HANDS))

    def _tend(self) -> None:
        """Replace the dead; an armed one that is gone was an incident."""
        before = {slot.name: (slot, len(slot.struck)) for slot in self._workers.slots}
        super()._tend()
        for name, (slot, struck) in before.items():
            if slot.name != name and len(slot.struck) > struck:
                self._note_strike(name, slot)

    def _note_strike(self, name: str, slot: Slot) -> None:
        kill = self._armed.pop(name, None)
        if kill is not None and slot.struck[-1] == kill.failpoint:
            self._incident("R1", kill.kind, time.monotonic())

    def _incident(self, row: str, kind: str, now: float) -> Incident:
        self._say(f"day {self._day}: {kind}")
        began_at = datetime.now(UTC).isoformat(timespec="seconds")
        incident = Incident(row, kind, self._day, began_at, began=now, ended=now)
        self._incidents.append(incident)
        self._open.append(incident)
        return incident

    def _nobody_is_ready(self) -> bool:
        return not any(
            self._stack.is_ready(slot.name)
            for slot in self._workers.slots
            if self._stack.child(slot.name).running
        )

    # -- and all is well again ------------------------------------------------------------------

    def _recover(self, day: int, planned: StormDay) -> None:
        """Wait until all is well, and write down how long each of the day's faults took."""
        if LETTERS in planned.faults:
            self._until(lambda: queued(self._environment) == 0, "letters are still queued")
            accept_what_time_has_cured(self._workload, day, self._workload.noon(day))
        self._workers.disarm_all()
        self._armed.clear()
        self._step(self._workload.noon(day) + A_MINUTE)
        self._until(self._all_ready, "somebody is not ready")
        self._workers.servers_away_since = None
        now = time.monotonic()
        for incident in self._open:
            incident.recovered_seconds = now - incident.ended
        self._open.clear()

    def _all_ready(self) -> bool:
        children = self._stack.supervisor.children
        return all(self._stack.is_ready(name) for name in list(children))

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise NotRecovered(otherwise)
            self._tend()
            time.sleep(_TURN_SECONDS)

    def _compare_now(self, day: int) -> dict[str, list[str]]:
        """The tiers of this evening, against the oracle's of all that was sent until now."""
        self._say(f"day {day}: comparing every tier")
        known = sent_until(self._workload, day)
        so_far = {
            key: document for key, document in self._workload.accepted.items() if key in known
        }
        return self._compare(
            replace(self._world(0), workload=replace(self._workload, accepted=so_far))
        )


def _next(waiting: list[Fault], underway: list[_Underway]) -> list[Fault]:
    """The first that waits for each thing that nothing is done to at the moment."""
    busy = {each.fault.on for each in underway}
    first: dict[str, Fault] = {}
    for fault in waiting:
        first.setdefault(fault.on, fault)
    return [fault for on, fault in first.items() if on not in busy]


def _takes_servers(planned: StormDay) -> bool:
    return any(fault.on in ("broker", "postgres") for fault in planned.faults)


def _sending_seconds(planned: StormDay) -> float:
    """Over how long the records are spread: what most faults last."""
    return 8.0 if planned.faults else 4.0
