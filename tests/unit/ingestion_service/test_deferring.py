"""A practice that floods waits in its queue and stands still meanwhile: use cases in memory."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion_service.consumers import SourceConsumer
from ingestion_service.domain import turns
from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, register_client, register_practice
from ingestion_service.ports import Hold
from ingestion_service.queues import practice_times
from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_CARE
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import fact

FLOOD, QUIET = PracticeId("flood"), PracticeId("quiet")
EVENING = datetime(2024, 6, 1, 15, tzinfo=UTC)
"""In Shanghai an hour before midnight."""
PLACE = TopicPartition(SOURCE_BOOKINGS.name, 3)


class Intake:
    """The consumer on stores in memory; what it publishes is noted by its number of holds."""

    def __init__(self) -> None:
        self.stores = MemoryStores()
        self.stores.real_time = EVENING
        self.letters: list[DeadLetter] = []
        self.holds_when_published: list[int] = []
        self.consumer = SourceConsumer(
            self.stores, self._publish, lambda _tx, letters: self.letters.extend(letters)
        )
        self._offset = 0
        with self.stores.open_for_operator() as store:
            for practice_id in (FLOOD, QUIET):
                register_practice(practice(practice_id), store)

    def _publish(self) -> None:
        self.holds_when_published.append(len(self.stores.tables.queues.holds))

    def read(self, *sent: tuple[PracticeId, str]) -> None:
        """One batch of one partition: completed bookings, each by its practice and event id."""
        records = []
        for practice_id, event_id in sent:
            value = json.dumps(booked(practice_id, event_id)).encode()
            records.append(MemoryRecord(self._offset, b"ada", value, (("h", b"x"),), 7))
            self._offset += 1
        part = decoded(self.consumer, PLACE, Position(0, ""), records)
        with self.stores.transaction() as tables:
            self.consumer.handle(tables, batch_of([part]))

    def settle(self) -> None:
        """What comes after a commit: publish, and give turns."""
        self.consumer.after_commit({PLACE: Position(self._offset, "")})

    def flood(self, count: int = 15, name: str = "f") -> list[str]:
        """A batch in which one practice sends so many records and the quiet one a record behind
        them; gives the ids."""
        ids = [f"{name}{number}" for number in range(count)]
        self.read(*[(FLOOD, each) for each in ids], (QUIET, f"quiet-{name}"))
        return ids

    def accepted(self, practice_id: PracticeId) -> list[str]:
        """The ids in the ledger, in the order of acceptance."""
        return [key.event_id for key in self.stores.tables.ledger if key.practice_id == practice_id]

    def published(self, practice_id: PracticeId) -> list[Activity]:
        activities = self.stores.tables.published
        return [each for each in activities if each.owner.practice_id == practice_id]

    @property
    def holds(self) -> list[Hold]:
        return [hold for _, hold in self.stores.tables.queues.holds]


def practice(practice_id: PracticeId) -> Practice:
    """A practice that takes what any source sends."""
    return Practice(practice_id, "P", "Asia/Shanghai", "CNY", undeclared_sources="accept")


def booked(practice_id: PracticeId, event_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "rapport.booking.completed.v1",
        "id": event_id,
        "source": "desk",
        "practiceid": practice_id,
        "subject": "ada",
        "time": "2024-05-30T12:00:00Z",
        "data": {"booking_id": f"b-{event_id}"},
    }


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Intake:
    """With turns of four records, so that few are a flood."""
    monkeypatch.setattr(turns, "CAPACITY", 4)
    return Intake()


def test_the_others_are_accepted_and_the_flood_takes_turns_in_its_order(intake: Intake) -> None:
    ids = intake.flood(20)
    assert intake.accepted(QUIET) == ["quiet-f"]
    assert intake.accepted(FLOOD) == ids[:10]
    seen = []
    while intake.stores.tables.queues.rows:
        intake.settle()
        seen.append(len(intake.accepted(FLOOD)))
        assert not intake.consumer.may_wait()
    assert seen == [20]
    intake.settle()
    assert intake.consumer.may_wait()
    assert intake.accepted(FLOOD) == ids


def test_care_is_never_deferred_and_accepted_at_ingestions_time(intake: Intake) -> None:
    """Though its practice waits and stands still (ADR 52)."""
    ids = intake.flood(20)
    assert len(intake.accepted(FLOOD)) < len(ids)
    intake.stores.real_time = EVENING + timedelta(minutes=5)
    noted = {
        **booked(FLOOD, "risk"),
        "type": "rapport.care.risk_noted.v1",
        "data": {"signal_id": "r1"},
    }
    place = TopicPartition(SOURCE_CARE.name, 3)
    record = MemoryRecord(0, b"ada", json.dumps(noted).encode(), (), 7)
    part = decoded(intake.consumer, place, Position(0, ""), [record])
    with intake.stores.transaction() as tables:
        intake.consumer.handle(tables, batch_of([part]))
    (word,) = intake.stores.tables.care
    assert (word.event_id, word.accepted_at) == ("risk", intake.stores.real_time)
    assert "risk" in intake.accepted(FLOOD)


def test_what_comes_while_something_waits_goes_to_the_end_of_the_queue(intake: Intake) -> None:
    ids = intake.flood(20)
    intake.read((FLOOD, "later"), (QUIET, "q2"))
    assert intake.accepted(QUIET) == ["quiet-f", "q2"]
    assert "later" not in intake.accepted(FLOOD)
    for _ in range(8):
        intake.settle()
    assert intake.accepted(FLOOD) == [*ids, "later"]


def test_a_hold_is_announced_before_the_first_activity_and_ended_after_the_last(
    intake: Intake,
) -> None:
    intake.flood()
    later = EVENING + timedelta(minutes=5)
    intake.stores.real_time = later
    for _ in range(4):
        intake.settle()
    [(before_first, begin), (before_last, end)] = intake.stores.tables.queues.holds
    assert (begin.practice_id, begin.is_held, begin.since) == (FLOOD, True, EVENING)
    assert (end.hold_id, end.is_held, end.since) == (begin.hold_id, False, later)
    assert before_first == 0
    assert before_last == len(intake.stores.tables.published)


def test_what_waited_is_accepted_at_the_time_at_which_the_practice_stands(intake: Intake) -> None:
    intake.flood()
    intake.stores.real_time = EVENING + timedelta(minutes=5)
    with intake.stores.open(FLOOD) as store:
        sent = fact("completed", "by-rest", practice_id=FLOOD, occurred_at=EVENING)
        accept([sent], store, practice_times({FLOOD}, store))
        register_client(IdentityKey(FLOOD, "desk", "bob"), store)
    with intake.stores.open(QUIET) as store:
        register_client(IdentityKey(QUIET, "desk", "bob"), store)
    intake.settle()
    assert {each.accepted_at for each in intake.published(FLOOD)} == {EVENING}
    assert max(each.accepted_at for each in intake.published(QUIET)) > EVENING
    with intake.stores.open(FLOOD) as store:
        assert practice_times({FLOOD}, store) == {}


def test_a_turn_ends_at_a_local_midnight_and_the_move_is_announced(intake: Intake) -> None:
    first = intake.flood(20, "f")
    morrow = EVENING + timedelta(hours=2)
    intake.stores.real_time = morrow
    second = intake.flood(3, "g")
    while len(intake.holds) == 1:
        intake.settle()
    assert intake.accepted(FLOOD) == first
    begin, moved = intake.holds
    assert (moved.hold_id, moved.is_held, moved.since) == (begin.hold_id, True, morrow)
    intake.stores.real_time = morrow + timedelta(hours=1)
    while intake.stores.tables.queues.rows:
        intake.settle()
    assert intake.accepted(FLOOD) == first + second
    assert [hold.is_held for hold in intake.holds] == [True, True, False]
    by_time = [each.accepted_at for each in intake.published(FLOOD)]
    assert by_time == [EVENING] * 20 + [morrow] * 3
    places = [number for number, _ in intake.stores.tables.queues.holds]
    said = intake.stores.tables.published[: places[1]]
    assert sum(each.owner.practice_id == FLOOD for each in said) == 20


def test_practices_that_wait_take_turns(intake: Intake) -> None:
    names = [PracticeId(f"wave{number}") for number in range(6)]
    with intake.stores.open_for_operator() as store:
        for name in names:
            register_practice(practice(name), store)
    intake.read(*[(name, f"{name}-{number}") for name in names for number in range(30)])
    assert intake.holds == []  # all send the same: nobody is in another's way
    for name in names:
        intake.read(*[(name, f"{name}*{number}") for number in range(30)], (QUIET, f"q{name}"))
    assert len(intake.holds) == 6
    intake.settle()
    served = [len(intake.accepted(name)) for name in names]
    intake.settle()
    again = [len(intake.accepted(name)) for name in names]
    gained = [after > before for before, after in zip(served, again, strict=True)]
    assert gained[4:] == [True, True]


def test_an_unknown_practice_is_refused_at_once_and_takes_nobodys_share(intake: Intake) -> None:
    strangers = [(PracticeId(f"stranger{number % 3}"), f"s{number}") for number in range(30)]
    intake.read(*strangers, *[(QUIET, f"q{number}") for number in range(9)])
    assert intake.holds == []
    assert len(intake.accepted(QUIET)) == 9


def test_after_a_restore_holds_are_announced_again_before_anything_is_published(
    intake: Intake,
) -> None:
    intake.flood(20)
    intake.stores.tables.queues.incarnation += 1
    intake.settle()
    begin, again, *_ = intake.holds
    assert again == begin
    assert intake.holds_when_published == [2]
    assert intake.stores.tables.queues.rows == {}


def test_intake_over_rest_announces_a_hold_again_too(intake: Intake) -> None:
    intake.flood(20)
    intake.stores.tables.queues.incarnation += 1
    with intake.stores.open(FLOOD) as store:
        assert practice_times({FLOOD}, store) == {FLOOD: EVENING}
        assert practice_times({FLOOD}, store) == {FLOOD: EVENING}
    assert len(intake.holds) == 2


def test_what_is_refused_after_it_waited_is_a_dead_letter_of_its_place(intake: Intake) -> None:
    far = booked(FLOOD, "f19") | {"time": "2024-07-30T12:00:00Z"}
    intake.flood(19)
    record = MemoryRecord(99, b"ada", json.dumps(far).encode(), (("h", b"x"),), 7)
    part = decoded(intake.consumer, PLACE, Position(0, ""), [record])
    with intake.stores.transaction() as tables:
        intake.consumer.handle(tables, batch_of([part]))
    for _ in range(3):
        intake.settle()
    [letter] = intake.letters
    assert (letter.partition, letter.record.offset) == (PLACE, 99)
    assert (letter.record.key, letter.record.value) == (record.key, record.value)
    assert list(letter.record.headers) == [("h", b"x")]
    assert letter.record.timestamp == 7
    assert letter.error.reason == "occurred-in-the-future"
    assert letter.practice == FLOOD
    assert len(intake.accepted(FLOOD)) == 19
