"""The pipeline under fire: months of two practices through the whole house, while its workers die.

`run_pipeline` sends what the generator made, day by day in simulated time, kills, freezes and swaps
workers meanwhile, waits until all is quiet, and compares everything with the oracles.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

import outreach_service
from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_PAYMENTS
from rapport_devkit.access import OPERATOR_SCOPES, PRACTICE_SCOPES
from rapport_devkit.api_client import ApiClient, ApiProblem
from rapport_devkit.clock import BarrierTimeout, SimulatedClock
from rapport_devkit.kafka import Kafka
from rapport_devkit.people import Person, generate_people, tell_outreach
from rapport_devkit.postgres import Postgres
from rapport_devkit.registration import register_clients
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from tests.support.generators.workload import (
    PRACTICES,
    Practice,
    Sent,
    Workload,
    WorkloadSize,
    generate,
)
from tests.support.pipeline.workers import Death, Slot, Workers
from tests.support.places import JARS
from tests.support.servers.bus_log import BusLog, RawProducer

SESSION_MS = 6_000
LEASE_SECONDS = 30
"""Far above what a claim takes in the sandbox; a killed worker's messages are free after it."""

PATIENCE_SECONDS = 480.0
MOST_QUIET_DAYS = 90
"""After the last event, at most: until every message that a cap holds back has gone or expired."""

WAITING = {"drafted", "scheduled", "deferred"}

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class PipelinePlan:
    """A size and what goes wrong. `deaths` for each slot: service -> one list a worker."""

    size: WorkloadSize
    deaths: dict[str, list[list[Death]]]
    freeze_on: int
    joins: dict[int, str] = field(default_factory=dict)
    leaves: tuple[int, ...] = ()

    def slots(self) -> list[Slot]:
        """A new place for each worker."""
        return [
            Slot(service, list(deaths)) for service, each in self.deaths.items() for deaths in each
        ]


@dataclass
class World:
    """What is there when the run has ended, for the comparison; the stack still runs. `zones` are
    those in which the practices are by then."""

    plan: PipelinePlan
    workload: Workload
    stack: Stack
    workers: Workers
    log: BusLog
    practices: dict[str, dict[str, ApiClient]]
    people: list[tuple[str, Person]]
    steps: list[tuple[datetime, datetime]]
    playbook: dict[str, Any]
    zones: dict[str, str]
    seconds: float = 0.0

    def messages(self) -> list[dict[str, Any]]:
        """Every message as the API lists it, with its practice."""
        return [
            {**message, "practice_id": practice_id}
            for practice_id, apis in self.practices.items()
            for message in apis["outreach"].items("/v1/messages")
        ]

    def deliveries(self) -> list[dict[str, Any]]:
        """The sandbox's own log, whole."""
        lines = (self.stack.options.folder / "deliveries.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]


def sending_playbook(folder: Path) -> Path:
    """The built-in playbook with every play in mode `send`, written to a file. Every other play
    answers at once, so that messages go in the middle of a day, too."""
    built_in = Path(outreach_service.__file__).parent / "playbooks" / "default.json"
    playbook = json.loads(built_in.read_text("utf-8"))
    for number, play in enumerate(playbook["plays"]):
        play["mode"] = "send"
        if number % 2 == 0:
            play["settles_after"] = "PT0S"
    path = folder / "playbook.json"
    path.write_text(json.dumps(playbook), "utf-8")
    return path


def run_pipeline(
    plan: PipelinePlan,
    folder: Path,
    look: Callable[[World], Any],
    *,
    postgres: Postgres | None = None,
    kafka: Kafka | None = None,
    say: Say = lambda _: None,
) -> Any:
    """Run, and return what `look` sees at the end, while everything still runs."""
    options = replace(
        pipeline_options(folder),
        durable=postgres is not None,
        topic_prefix=f"{folder.name}-" if kafka is not None else "",
        database_prefix=f"{folder.name}_" if postgres is not None else "",
    )
    say("making the events")
    workload = generate(plan.size)
    with Stack(options, postgres=postgres, kafka=kafka, say=say) as stack:
        return PipelineRun(plan, workload, stack, Workers(stack, plan.slots()), say).run(look)


def pipeline_options(folder: Path) -> StackOptions:
    """A stack without workers, whose sessions and leases are short enough to be seen to end."""
    folder.mkdir(parents=True, exist_ok=True)
    return StackOptions(
        folder=folder,
        workers=0,
        jars=JARS,
        session_timeout_ms=SESSION_MS,
        service_environment={"outreach": {"RAPPORT_LEASE_SECONDS": str(LEASE_SECONDS)}},
        playbook=sending_playbook(folder),
    )


class PipelineRun:
    """One run: the house is up, without workers. `live` is what happens in a day."""

    def __init__(
        self, plan: PipelinePlan, workload: Workload, stack: Stack, workers: Workers, say: Say
    ) -> None:
        self._plan = plan
        self._workload = workload
        self._stack = stack
        self._workers = workers
        self._say = say
        self._day = 0
        self._steps: list[tuple[datetime, datetime]] = []
        self._people: list[tuple[str, Person]] = []
        self._log = BusLog(stack.kafka.bootstrap, stack.options.topic_prefix)
        self._zones = {practice.practice_id: practice.zone for practice in PRACTICES}
        operators = {
            service: stack.api(service, stack.create_key(service, scopes))
            for service, scopes in OPERATOR_SCOPES.items()
        }
        self._ingestion = operators["ingestion"]
        self._clock = SimulatedClock(operators)
        self._practices = {
            practice.practice_id: {
                service: stack.api(service, stack.create_key(service, scopes, practice.practice_id))
                for service, scopes in PRACTICE_SCOPES.items()
            }
            for practice in PRACTICES
        }

    def run(self, look: Callable[[World], Any]) -> Any:
        began = time.monotonic()
        self._log.let_in_large_records([SOURCE_BOOKINGS.name, SOURCE_PAYMENTS.name])
        self._workers.man()
        self._people = self._register()
        producer = RawProducer(self._log)
        try:
            for day, records in enumerate(self._workload.days):
                self._day = day
                self.live(day, records, producer)
                if day % 10 == 0:
                    self._say(f"day {day} of {len(self._workload.days)}")
        finally:
            producer.close()
        self._wind_down()
        self._wait_for_messages()
        return look(self._world(time.monotonic() - began))

    def _world(self, seconds: float) -> World:
        playbook = json.loads(self._stack.options.playbook.read_text("utf-8"))  # type: ignore[union-attr]  # this module sets it
        return World(
            self._plan,
            self._workload,
            self._stack,
            self._workers,
            self._log,
            self._practices,
            self._people,
            self._steps,
            playbook,
            self._zones,
            seconds,
        )

    def _register(self) -> list[tuple[str, Person]]:
        """Practices and their sources, day 0, then nine of ten clients with contacts and
        consents."""
        people = []
        for practice in PRACTICES:
            self._register_practice(practice)
            source = {"title": "The desk", "kind": "booking"}
            apis = self._practices[practice.practice_id]
            apis["ingestion"].put(f"/v1/sources/{practice.source}", source)
        self._step(self._workload.noon(0))
        for practice in PRACTICES:
            apis = self._practices[practice.practice_id]
            ids = [name for owner, name in self._workload.clients if owner == practice]
            known = [name for number, name in enumerate(ids) if number % 10]
            clients = register_clients(apis["ingestion"], known, practice.identities)
            generated = generate_people(clients, practice.zone)
            tell_outreach(apis["outreach"], generated)
            people += [(practice.practice_id, person) for person in generated]
        return people

    def _register_practice(self, practice: Practice) -> None:
        """Register a practice in its zone as it is now, or change that."""
        name = practice.practice_id
        body = {"name": name, "discreet_name": name, "zone": self._zones[name]}
        body["currency"] = practice.currency
        self._ingestion.put(f"/v1/practices/{name}", body)

    def live(self, day: int, records: list[Sent], producer: RawProducer) -> None:
        """Noon of a day: everybody follows; the plan's faults begin, and the records go."""
        self._step(self._workload.noon(day))
        self._workers.new_day(day)
        if day in self._plan.joins:
            self._workers.join(self._plan.joins[day])
        if day in self._plan.leaves:
            self._workers.leave()
        if day == self._plan.freeze_on:
            self._workers.freeze("scoring", 2.5 * SESSION_MS / 1000)
        producer.send(records)

    def _wind_down(self) -> None:
        """Days without events, until every message that waits for a cap has gone or expired."""
        last = len(self._workload.days)
        while self._workers.freezing:
            self._tend()
            time.sleep(0.2)
        self._workers.disarm(last)
        for day in range(last, last + MOST_QUIET_DAYS):
            self._day = day
            self._step(self._workload.noon(day))
            if not self._messages_in(WAITING):
                return

    def _messages_in(self, states: set[str]) -> int:
        return sum(
            count["messages"]
            for apis in self._practices.values()
            for count in apis["outreach"].get("/v1/messages/summary")["items"]
            if count["state"] in states
        )

    def _step(self, now: datetime) -> None:
        """Set the clock and wait for everybody, replacing the dead meanwhile."""
        self._steps.append((now.astimezone(UTC), datetime.now(UTC)))
        self._patiently(lambda: self._clock.set(now))
        self._patiently(lambda: self._clock.wait(now, timeout_seconds=0.3))

    def _tend(self) -> None:
        """Look after the workers."""
        self._workers.tend(self._day)

    def _patiently(self, ask: Callable[[], None]) -> None:
        """Ask until it succeeds; an API that is away (no answer, or 5xx) is asked again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._tend()
            try:
                return ask()
            except (BarrierTimeout, httpx.HTTPError, ApiProblem) as error:
                refused = isinstance(error, ApiProblem) and error.status < 500
                if refused or time.monotonic() > deadline:
                    raise

    def _wait_for_messages(self) -> None:
        """Until every message is final: a killed worker's claims come free with their lease."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        self._say("waiting until every message is final")
        while self._messages_in({*WAITING, "sending"}):
            if time.monotonic() > deadline:
                return  # the comparison will tell of them
            self._tend()
            time.sleep(1)
