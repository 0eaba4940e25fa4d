"""Everything bad that can be sent, by the bus and by REST, to an ingestion that has to go on."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import namedtuple_row

from ingestion_service.settings import IngestionSettings
from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_PAYMENTS
from rapport_devkit.api_client import ApiClient
from rapport_devkit.clock import SimulatedClock
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_devkit.stack import Stack
from rapport_devkit.stack_options import StackOptions
from rapport_runtime.stream.dead_letters.sealed import opened
from tests.support.generators.poison import BOOKING, POISON, Document, Poison
from tests.support.generators.workload import PRACTICES, Sent
from tests.support.places import JARS
from tests.support.servers.bus_log import BusLog, RawProducer

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
PRACTICE = PRACTICES[0]
GOOD_BETWEEN = 6
"""Good events for each bad one."""
CONFLICT = "conflicting-duplicate"
DEVELOPMENT_KEYS = IngestionSettings(
    environment="development", database_url="none", kafka_bootstrap_servers="none"
).record_keyring
"""Those of the stack's processes."""


@dataclass
class Outcome:
    """What became of it; all three lists empty is what must be. `letters` are reason -> count."""

    letters: Counter[str] = field(default_factory=Counter)
    kinds_on_bus: int = 0
    kinds_by_rest: int = 0
    good: int = 0
    wrong_letters: list[str] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)


def feed(folder: Path, *, postgres: Postgres | None = None, kafka: Kafka | None = None) -> Outcome:
    """Bring up ingestion alone and send it every kind of poison, good events in between."""
    options = StackOptions(
        folder=folder,
        services=("ingestion",),
        jars=JARS,
        durable=False,
        topic_prefix=f"{folder.name}-" if kafka is not None else "",
        database_prefix=f"{folder.name}_" if postgres is not None else "",
    )
    with Stack(options, postgres=postgres, kafka=kafka) as stack:
        return _Feeder(stack).run()


def good_event(number: int, of: str = BOOKING) -> Document:
    """A good event of the one client; `number` makes it another one."""
    kind = "booking.created"
    data: Document = {"booking_id": f"b{number}", "starts_at": NOON.isoformat()}
    if of != BOOKING:
        kind = "payment.settled"
        data = {"payment_id": f"p{number}", "amount_minor": 1, "currency": PRACTICE.currency}
    return {
        "specversion": "1.0",
        "id": f"good-{number}",
        "source": PRACTICE.source,
        "type": f"rapport.{kind}.v1",
        "practiceid": PRACTICE.practice_id,
        "subject": "ada",
        "time": NOON.isoformat(),
        "data": data,
    }


class _Feeder:
    """One run against a stack that is up."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._outcome = Outcome()
        self._numbers = iter(range(10**6))
        scopes = "practices:write,clock:write,status:read"
        self._operator = stack.api("ingestion", stack.create_key("ingestion", scopes))
        key = stack.create_key("ingestion", "events:write,clients:read", PRACTICE.practice_id)
        self._practice: ApiClient = stack.api("ingestion", key)
        self._clock = SimulatedClock({"ingestion": self._operator})

    def run(self) -> Outcome:
        body = PRACTICE.body("Lake") | {"undeclared_sources": "accept"}
        self._operator.put(f"/v1/practices/{PRACTICE.practice_id}", body)
        self._clock.step(NOON)
        self._by_bus()
        self._by_rest()
        self._look()
        return self._outcome

    def _by_bus(self) -> None:
        log = BusLog(self._stack.kafka.bootstrap, self._stack.options.topic_prefix)
        log.let_in_large_records([SOURCE_BOOKINGS.name, SOURCE_PAYMENTS.name])
        producer = RawProducer(log)
        try:
            producer.send(self._records())
        finally:
            producer.close()
        self._clock.step(NOON.replace(hour=13))  # everything sent has been read by then

    def _records(self) -> Iterator[Sent]:
        """Each kind of poison after some good events, then an id used twice for two things."""
        for kind in POISON:
            for _ in range(GOOD_BETWEEN):
                yield _record(*self._good())
            topic = SOURCE_BOOKINGS if kind.of == BOOKING else SOURCE_PAYMENTS
            bad = kind.record(self._bad(kind))
            self._outcome.kinds_on_bus += 1
            yield Sent(topic.name, 0, *bad)
        yield Sent(SOURCE_BOOKINGS.name, 0, b"ada", None)  # a tombstone is no letter
        document, value = self._good()
        yield _record(document, value)
        other = document | {"time": NOON.replace(hour=3).isoformat()}
        yield _record(other, json.dumps(other).encode())
        self._outcome.kinds_on_bus += 1

    def _by_rest(self) -> None:
        """The same bytes as bodies: each a problem, and a good event is taken after each."""
        with httpx.Client(base_url=self._practice.base_url, timeout=30) as http:
            for kind in POISON:
                if kind.status is None:
                    continue
                self._outcome.kinds_by_rest += 1
                self._expect(http, kind.name, kind.record(self._bad(kind))[1] or b"", kind.status)
                self._expect(http, f"good after {kind.name}", self._good()[1], 200)
            document, value = self._good()
            self._expect(http, "good", value, 200)
            other = document | {"time": NOON.replace(hour=3).isoformat()}
            self._outcome.kinds_by_rest += 1
            self._expect(http, CONFLICT, json.dumps(other).encode(), 409)

    def _expect(self, http: httpx.Client, what: str, body: bytes, status: int) -> None:
        headers = {
            "Authorization": f"Bearer {self._practice.key}",
            "Content-Type": "application/json",
        }
        answer = http.post("/v1/events", content=body, headers=headers)
        kind = answer.headers.get("content-type", "")
        is_problem = kind.startswith("application/problem+json") and "title" in answer.json()
        if answer.status_code != status or is_problem != (status >= 400):
            shown = f"{answer.status_code} {kind} {answer.text[:300]}"
            self._outcome.wrong_answers.append(f"{what}: {shown}, not {status}")

    def _look(self) -> None:
        """The letters that lie there, the good events, and whether everybody is still alive."""
        outcome = self._outcome
        wanted = Counter(kind.reason for kind in POISON)
        wanted[CONFLICT] += 1
        letters = self._letters()
        outcome.letters = Counter(letter.reason for letter in letters)
        outcome.wrong_letters += [
            f"{reason}: {outcome.letters[reason]} instead of {wanted[reason]}"
            for reason in wanted.keys() | outcome.letters.keys()
            if wanted[reason] != outcome.letters[reason]
        ]
        originals = Counter(opened(DEVELOPMENT_KEYS, letter).value for letter in letters)
        sent = Counter(kind.record(self._bad(kind))[1] for kind in POISON)
        if sent - originals:
            outcome.wrong_letters.append("a letter does not hold the bytes that were sent")
        ((accepted,),) = self._rows("SELECT count(*) FROM ledger")
        if accepted != outcome.good:
            outcome.stopped.append(f"{accepted} of {outcome.good} good events accepted")
        for name, child in self._stack.supervisor.children.items():
            if not child.running or child.restarts:
                outcome.stopped.append(f"{name} ended")

    def _letters(self) -> list[Any]:
        url = self._stack.postgres.url(self._stack.database("ingestion").name)
        with psycopg.connect(url, row_factory=namedtuple_row) as connection:
            return connection.execute("SELECT * FROM every_letter").fetchall()

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        url = self._stack.postgres.url(self._stack.database("ingestion").name)
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def _bad(self, kind: Poison) -> Document:
        """The good event that the poison is made from: the same for bus and REST."""
        return good_event(0, kind.of) | {"id": f"bad {kind.name}"}

    def _good(self) -> tuple[Document, bytes]:
        self._outcome.good += 1
        document = good_event(next(self._numbers))
        return document, json.dumps(document).encode()


def _record(document: Document, value: bytes) -> Sent:
    return Sent(SOURCE_BOOKINGS.name, 0, document["subject"].encode(), value)
