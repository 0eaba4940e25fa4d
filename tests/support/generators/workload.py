"""What two practices' booking and payment systems send in some months, with all that goes wrong.

Seeded: the same size and seed give the same records. Beside them it says what must be accepted and
which dead letters must lie there afterwards; it knows nothing of what the services make of it.
"""

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rapport_contracts.topics import PER_CLIENT_PARTITIONS, SOURCE_BOOKINGS, SOURCE_PAYMENTS
from tests.support.generators.poison import BIG, POISON, Document

ONE_DAY = timedelta(days=1)
LATE_DAYS = 400
DUPLICATES, LATE, POISONED, CONFLICTS = 0.10, 0.12, 0.01, 0.002
"""Shares of the events: sent again, sent days after they happened, unreadable, contradicted."""
FOREIGN = 500
"""About one of so many events is followed by one that gives its booking or payment to another."""


@dataclass(frozen=True)
class Practice:
    """A practice of the workload; its booking and payment systems speak as one source."""

    practice_id: str
    zone: str
    currency: str
    source: str

    def body(self, name: str) -> Document:
        """What registers it."""
        return {"name": name, "zone": self.zone, "currency": self.currency}

    def identities(self, client: str) -> list[dict[str, str]]:
        """Those of a client of its source."""
        return [{"namespace": self.source, "external_id": client}]


PRACTICES = (
    Practice("lake-clinic", "Asia/Shanghai", "CNY", "front-desk"),
    Practice("river-house", "Europe/London", "GBP", "reception"),
)


@dataclass(frozen=True, kw_only=True)
class WorkloadSize:
    """How much: distinct good events, clients over both practices, simulated days.

    `bursts`: days on which half of all that is not history happens; none, as a rule.
    """

    events: int
    clients: int
    days: int
    seed: int = 1
    first_on: date = date(2025, 2, 10)
    bursts: tuple[int, ...] = ()


class EventKey(NamedTuple):
    """What makes a source event the same event."""

    practice_id: str
    source: str
    event_id: str


class Sent(NamedTuple):
    """One record, put on an explicit partition of a source topic."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass
class Workload:
    """Records by simulated day, and what must come of them.

    `accepted` maps each event that must be accepted to its document; `letters` counts the dead
    letters by reason; `clients` are (practice, external id) of everybody, events or not.
    """

    size: WorkloadSize
    days: list[list[Sent]]
    accepted: dict[EventKey, Document] = field(default_factory=dict)
    letters: Counter[str] = field(default_factory=Counter)
    clients: list[tuple[Practice, str]] = field(default_factory=list)
    copies: int = 0
    late: int = 0

    @property
    def records(self) -> int:
        """How many records are sent in all."""
        return sum(map(len, self.days))

    def noon(self, number: int) -> datetime:
        """When the simulated day `number` is sent: noon in London, evening in Shanghai."""
        on = self.size.first_on + number * ONE_DAY
        return datetime(on.year, on.month, on.day, 12, tzinfo=ZoneInfo("Europe/London"))


class _Event(NamedTuple):
    """A good event before it is sent: `kind` such as `booking.completed`."""

    practice: Practice
    client: str
    kind: str
    at: datetime
    data: Document
    event_id: str

    def document(self) -> Document:
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": self.practice.source,
            "type": f"rapport.{self.kind}.v1",
            "practiceid": self.practice.practice_id,
            "subject": self.client,
            "time": self.at.isoformat(),
            "data": self.data,
        }


def generate(size: WorkloadSize) -> Workload:
    """All records of a workload."""
    chance = random.Random(f"walk/{size.seed}/{size.events}/{size.clients}")
    workload = Workload(size, [[] for _ in range(size.days)])
    workload.clients = [(PRACTICES[n % 2], f"c{n // 2:05d}") for n in range(size.clients)]
    events: list[_Event] = []
    while len(events) < size.events:
        practice, client = chance.choice(workload.clients)
        events += _story(chance, size, practice, client, f"e{len(events)}")
    _Sender(chance, workload).send_all(events[: size.events])
    for records in workload.days:
        chance.shuffle(records)
    return workload


def _story(
    chance: random.Random, size: WorkloadSize, practice: Practice, client: str, name: str
) -> list[_Event]:
    """What happens around one appointment. Instants of one story sometimes coincide."""
    history = chance.random() < LATE / 2
    day = -chance.randint(1, LATE_DAYS) if history else chance.randrange(size.days)
    if size.bursts and not history and chance.random() < 0.5:
        day = chance.choice(size.bursts)
    start = datetime.combine(size.first_on + day * ONE_DAY, datetime.min.time(), UTC)
    at = start + timedelta(minutes=chance.randrange(0, 24 * 60, 5))
    kinds = list(_booking(chance)) + list(_payment(chance))
    amount = chance.choice((500, 1200, 2500, 4000, 6000, 9000, 15000))
    story = []
    for number, (kind, hours) in enumerate(kinds):
        when = at + timedelta(hours=hours)
        data: Document = {"booking_id": name} | _codes(name, number)
        if kind in ("booking.created", "booking.rescheduled"):
            data["starts_at"] = (at + timedelta(days=chance.choice((0, 1, 5)))).isoformat()
        elif kind.startswith("payment"):
            data = {"payment_id": name}
            if kind != "payment.failed":
                part = amount if kind == "payment.settled" else chance.choice((amount, amount // 2))
                data |= {"amount_minor": part, "currency": practice.currency}
        story.append(_Event(practice, client, kind, when, data, f"{name}-{number}"))
    return story


def _codes(name: str, number: int) -> Document:
    """The codes that the `number`-th event about a booking names: of every third booking some, and
    other ones later. Drawn from its name, so that a seed's events keep their times and order."""
    drawn = zlib.crc32(name.encode())
    if drawn % 3:
        return {}
    if number == 0:
        return {"counsellor_id": f"c-{drawn % 7}", "site": "east"}
    return {"site": "west"} if drawn % 2 else {}


def _booking(chance: random.Random) -> Iterator[tuple[str, int]]:
    """What becomes of a booking: (kind, hours from the appointment). Ties are on purpose."""
    fates = (
        (("completed", 0),),
        (("completed", 0),),
        (("created", -48), ("completed", 0)),
        (("created", -48), ("rescheduled", -20), ("completed", 0)),
        (("created", -30), ("cancelled", -3)),
        (("created", -3), ("cancelled", -3)),
        (("created", -48), ("no_show", 0)),
        (("no_show", 0), ("completed", 0)),
        (("completed", 0), ("cancelled", 6)),
        (("cancelled", -5), ("rescheduled", -2), ("completed", 0)),
        (("cancelled", -5),),
    )
    for kind, hours in chance.choice(fates):
        yield f"booking.{kind}", hours


def _payment(chance: random.Random) -> Iterator[tuple[str, int]]:
    """What becomes of a payment; sometimes only its undoing is ever heard of."""
    fates: tuple[tuple[tuple[str, int], ...], ...] = (
        (("settled", 1),),
        (("settled", 1),),
        (("settled", 1),),
        (),
        (("settled", 1), ("refunded", 20)),
        (("settled", 1), ("refunded", 20), ("charged_back", 30)),
        (("settled", 1), ("charged_back", 30)),
        (("failed", 1),),
        (("settled", 1), ("failed", 26)),
        (("failed", 1), ("settled", 4)),
        (("refunded", 1),),
    )
    for kind, hours in chance.choice(fates):
        yield f"payment.{kind}", hours


class _Sender:
    """Decides when each event is sent, how often, and puts poison in between."""

    def __init__(self, chance: random.Random, workload: Workload) -> None:
        self._chance = chance
        self._workload = workload
        self._days = workload.size.days
        self._poisoned = 0

    def send_all(self, events: list[_Event]) -> None:
        for event in events:
            document = event.document()
            happened = (event.at.date() - self._workload.size.first_on).days
            day = self._day(happened)
            self._workload.late += day > happened
            partition = self._partition()
            self._put(day, event.kind, partition, document)
            key = EventKey(event.practice.practice_id, event.practice.source, event.event_id)
            self._workload.accepted[key] = document
            self._inject_faults(event, document, day, partition)

    def _day(self, happened: int) -> int:
        """The day of sending: at once, some days late, or long after for what is history."""
        if happened < 0:
            return self._chance.randrange(self._days)
        left = self._days - 1 - happened
        if left > 0 and self._chance.random() < LATE / 2:
            happened += self._chance.randint(1, left)
        return min(happened, self._days - 1)

    def _inject_faults(self, event: _Event, document: Document, day: int, partition: int) -> None:
        chance = self._chance
        if chance.random() < DUPLICATES:
            for _ in range(chance.choice((1, 1, 1, 2, 4))):
                self._workload.copies += 1
                again = min(day + chance.choice((0, 0, 1, 7, 30)), self._days - 1)
                self._put(again, event.kind, self._partition(), document)
        if chance.random() < CONFLICTS and day < self._days - 1:
            other = document | {"time": (event.at - timedelta(minutes=1)).isoformat()}
            # the same partition, a day later: the first word is known by then, whoever reads it
            self._put(day + 1, event.kind, partition, other)
            self._workload.letters["conflicting-duplicate"] += 1
        if zlib.crc32(event.event_id.encode()) % FOREIGN == 0 and day < self._days - 1:
            foreign = document | {"id": f"{event.event_id}-foreign", "subject": "somebody-else"}
            self._put(day + 1, event.kind, partition, foreign)
            self._workload.letters["other-client"] += 1
        if chance.random() < POISONED:
            self._poison(event, day)

    def _poison(self, event: _Event, day: int) -> None:
        """The next kind of poison, made from a good event of the kind's topic with its own id."""
        kind = POISON[self._poisoned % len(POISON)]
        self._poisoned += 1
        word = "booking.created"
        data: Document = {"booking_id": "x", "starts_at": event.at.isoformat()}
        if kind.of == "payment":
            word = "payment.settled"
            data = {"payment_id": "x", "currency": event.practice.currency, "amount_minor": 1}
        noon = self._workload.noon(day).astimezone(UTC)
        base = _Event(event.practice, event.client, word, noon, data, f"poison-{self._poisoned}")
        key, value = kind.record(base.document())
        sent = self._sent(word, self._partition(), key, value)
        if value is not None and len(value) >= BIG and self._poisoned > len(POISON):
            sent = sent._replace(value=b"\xff")  # one of 2 MB is enough
            self._workload.letters["not-utf8"] += 1
        else:
            self._workload.letters[kind.reason] += 1
        self._workload.days[day].append(sent)

    def _put(self, day: int, kind: str, partition: int, document: Document) -> None:
        value = json.dumps(document).encode()
        sent = self._sent(kind, partition, document["subject"].encode(), value)
        self._workload.days[day].append(sent)

    def _sent(self, kind: str, partition: int, key: bytes | None, value: bytes | None) -> Sent:
        topic = SOURCE_BOOKINGS if kind.startswith("booking") else SOURCE_PAYMENTS
        return Sent(topic.name, partition, key, value)

    def _partition(self) -> int:
        """Any: what belongs to one client is deliberately spread, so that workers must meet."""
        return self._chance.randrange(PER_CLIENT_PARTITIONS)
