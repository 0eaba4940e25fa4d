"""A replay sends each day at its noon, waits for all, and its faults are the same each time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from outreach_service.contacts import normalise
from outreach_service.domain.terms import Channel
from rapport_contracts.codec import decode_source
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_devkit import clock as clock_module
from rapport_devkit.api_client import ApiClient
from rapport_devkit.clock import BarrierTimeout, SimulatedClock, noon
from rapport_devkit.fault_injection import FaultInjector
from rapport_devkit.people import Person, generate_people
from rapport_devkit.replay import Progress, Replay
from rapport_devkit.sources.cdnow import purchase
from rapport_devkit.sources.dataset import Dataset, by_day
from rapport_files.events import Origin
from rapport_runtime.bus.port import Outgoing

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="test")


class SlowService:
    """An API whose business time follows the clock after a few questions."""

    def __init__(self, log: list[str], answers_late: int) -> None:
        self._log = log
        self._answers_late = answers_late
        self._asked = 0
        self.now: str | None = None

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        self._log.append(f"{path} {body['now']}")
        self.now = body["now"]

    def get(self, path: str) -> dict[str, Any]:
        self._asked += 1
        assert path == "/v1/status"
        late = self._asked % (self._answers_late + 1) != 0
        return {"business_time": None if late else "2030-01-01T00:00:00Z", "lag": 3}


class Bus:
    """A producer that writes down when it was used."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def publish(self, records: Sequence[Outgoing]) -> None:
        self._log.append(f"published {len(records)}")

    def close(self) -> None:
        self._log.append("closed")


def clock(log: list[str], late: int = 2) -> SimulatedClock:
    services = {name: SlowService(log, late) for name in ("ingestion", "scoring")}
    return SimulatedClock(cast("dict[str, ApiClient]", services))


def events(*days: str) -> list[SourceEvent]:
    return [
        event
        for number, day in enumerate(days, 1)
        for event in purchase(number, f"1 {number:04d} {day} 1 9.99", ORIGIN)
    ]


def dataset(*days: str) -> Dataset:
    return Dataset(title="test", currency="USD", days=by_day(events(*days), ORIGIN.zone))


def test_noon_is_the_practices_own() -> None:
    assert noon(date(1997, 1, 1), ORIGIN.zone) == datetime(1997, 1, 1, 4, tzinfo=UTC)


def test_each_day_is_sent_at_its_noon_and_followed_by_another() -> None:
    log: list[str] = []
    seen: list[Progress] = []
    replay = Replay(clock=clock(log), producer=Bus(log), zone=ORIGIN.zone)
    done = replay.run(dataset("19970101", "19970103", "19970103"), seen.append)
    assert log == [
        "/v1/clock 1997-01-01T12:00:00+08:00",
        "published 2",
        "/v1/clock 1997-01-02T12:00:00+08:00",
        "published 0",
        "/v1/clock 1997-01-03T12:00:00+08:00",
        "published 4",
        "/v1/clock 1997-01-04T12:00:00+08:00",
    ]
    assert [(progress.days, progress.sent) for progress in seen] == [(1, 2), (2, 2), (3, 6)]
    assert (done.sent, done.lag) == (6, 6)


def test_a_step_ends_behind_what_came_of_records_that_waited() -> None:
    """The first time may have been published before them; the second comes after them."""
    log: list[str] = []

    waiting = [1, 1, 0]

    class Queues(SlowService):
        def get(self, path: str) -> dict[str, Any]:
            practices = waiting.pop(0) if waiting else 0
            return super().get(path) | {"queues": {"practices": practices, "ever": 40}}

    services = {"ingestion": Queues(log, 0), "scoring": SlowService(log, 0)}
    subject = SimulatedClock(cast("dict[str, ApiClient]", services))
    day = datetime(1997, 1, 1, tzinfo=UTC)
    subject.step(day)
    assert log == [
        "/v1/clock 1997-01-01T00:00:00+00:00",
        "/v1/clock 1997-01-01T00:00:00.000001+00:00",
    ]
    assert waiting == []
    subject.step(day)
    assert log[2:] == ["/v1/clock 1997-01-01T00:00:00.000001+00:00"]


def test_the_barrier_names_who_is_behind() -> None:
    with pytest.raises(BarrierTimeout, match="scoring is at None"):
        clock([], late=10**6).step(noon(date(1997, 1, 1), ORIGIN.zone), timeout_seconds=0.05)


def test_whoever_takes_long_is_not_asked_all_the_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 0.4 s: asked every 20 ms at first, and in its later half after a few."""
    now = [0.0]
    times: list[float] = []

    class Slow:
        def put(self, _path: str, _body: Mapping[str, Any]) -> None:
            self.due = now[0] + 0.4

        def get(self, _path: str) -> dict[str, Any]:
            times.append(now[0])
            return {"business_time": "2030-01-01T00:00:00Z" if now[0] >= self.due else None}

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(
        clock_module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    )
    subject = SimulatedClock(cast("dict[str, ApiClient]", {"ingestion": Slow()}))
    questions = []
    for _ in range(20):
        times.clear()
        subject.step(noon(date(1997, 1, 1), ORIGIN.zone))
        questions.append(len(times))
    assert questions[0] == 21
    assert max(questions[-5:]) <= 12
    assert now[0] < 20 * 0.45  # it asks before, not long after


class TestFaultInjection:
    """What goes wrong on purpose."""

    @pytest.fixture
    def records(self) -> list[Outgoing]:
        injector = FaultInjector()
        days = [events(*["19970101"] * 5) for _ in range(40)]
        found = [record for day in days for record in injector.records(day)]
        assert (injector.duplicates, injector.junk) == (8, 5)
        assert len(found) == 400 + 8 + 5
        return found

    def test_junk_is_refused_by_the_codec_or_knows_no_practice_or_is_days_ahead(
        self, records: list[Outgoing]
    ) -> None:
        reasons = []
        strangers = []
        for topic, _, key, value in records:
            try:
                event = decode_source(topic, key, value)
            except InvalidEvent as invalid:
                reasons.append(invalid.reason)
            else:
                if event.practiceid != ORIGIN.practice_id or event.id.endswith("-ahead"):
                    strangers.append(event.practiceid)
        assert reasons == ["not-json", "unknown-version", "wrong-topic"]
        assert strangers == ["nobody-knows-us", ORIGIN.practice_id]

    def test_a_duplicate_is_the_same_to_the_byte(self) -> None:
        injector = FaultInjector()
        found = [r for _ in range(6) for r in injector.records(events(*["19970101"] * 5))]
        assert found[49] == found[50]


ZONE = "America/New_York"


class TestPeople:
    """Contacts and consents that nobody has."""

    @pytest.fixture
    def people(self) -> list[Person]:
        clients = {f"cdnow-{number:04d}": f"{number:032x}" for number in range(1200)}
        return generate_people(clients, ZONE)

    def test_are_the_same_at_every_run(self, people: list[Person]) -> None:
        again = generate_people(
            {person.external_id: person.client_id for person in reversed(people)}, ZONE
        )
        assert [[*a.contacts(), *a.consents()] for a in again] == [
            [*p.contacts(), *p.consents()] for p in people
        ]

    @pytest.mark.parametrize(
        "external_id", ["C 001", "Anna Smith", "a@b", "客户一", "=?x?", "x" * 200]
    )
    def test_can_be_reached_whatever_a_file_calls_them(self, external_id: str) -> None:
        (person,) = generate_people({external_id: "0" * 32}, ZONE)
        for each in person.contacts():
            assert normalise(Channel(each["channel"]), each["address"], serves={"CN"})

    def test_families_share_a_phone(self, people: list[Person]) -> None:
        phones = [
            contact["address"]
            for person in people[:4]
            for contact in person.contacts()
            if contact["channel"] == "sms"
        ]
        assert len(phones) >= 3
        assert len(set(phones)) == 1

    def test_some_cannot_be_reached_or_do_not_want_to(self, people: list[Person]) -> None:
        consents = [consent for person in people for consent in person.consents()]
        refused = [c for c in consents if not c["granted"]]
        assert 0.1 < len(refused) / len(consents) < 0.5
        assert {c["purpose"] for c in refused} == {"care", "marketing"}
        assert ("wechat", "marketing") not in {(c["channel"], c["purpose"]) for c in consents}
        assert 0 < sum(not list(person.contacts()) for person in people) < 100
