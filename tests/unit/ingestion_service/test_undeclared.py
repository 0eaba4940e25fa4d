"""A record of a source that is not declared waits, whole, and is accepted when it is."""

import json
from datetime import timedelta

import pytest

from ingestion_service.consumers import SourceConsumer
from ingestion_service.declaring import declare_source
from ingestion_service.domain.sources import Source
from ingestion_service.handlers import register_practice
from rapport_contracts.topics import SOURCE_BOOKINGS
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.positions import Position
from tests.support.doubles.decoded import batch_of, decoded
from tests.support.memory.ingestion import NOON, MemoryStores
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE

PLACE = TopicPartition(SOURCE_BOOKINGS.name, 3)


class Intake:
    """The consumer on stores in memory, with two practices that let undeclared sources wait."""

    def __init__(self) -> None:
        self.stores = MemoryStores()
        self.letters: list[DeadLetter] = []
        self.consumer = SourceConsumer(
            self.stores, lambda: None, lambda _tx, letters: self.letters.extend(letters)
        )
        self._offset = 0
        with self.stores.open_for_operator() as store:
            for practice in (LAKESIDE, HARBOUR):
                register_practice(practice._replace(undeclared_sources="wait"), store)

    def read(self, *event_ids: str, source: str = "desk", practice_id: str = "lakeside") -> None:
        """One batch of bookings, and what comes after its commit."""
        records = []
        for event_id in event_ids:
            value = json.dumps(booked(event_id, source, practice_id)).encode()
            records.append(MemoryRecord(self._offset, b"ada", value, (("h", b"x"),), 7))
            self._offset += 1
        part = decoded(self.consumer, PLACE, Position(0, ""), records)
        batch = batch_of([part])
        with self.stores.transaction() as tables:
            self.consumer.handle(tables, batch)
        assert not batch.rejected
        self.settle()

    def settle(self) -> None:
        self.consumer.after_commit({PLACE: Position(self._offset, "")})

    def declare(self, source: str, namespace: str) -> None:
        wanted = Source(LAKESIDE.practice_id, source, "A source", "booking", namespace)
        with self.stores.open(LAKESIDE.practice_id) as store:
            declare_source(wanted, store)

    def accepted(self) -> list[str]:
        """The ids in the ledger, in the order of acceptance."""
        return [key.event_id for key in self.stores.tables.ledger]


def booked(event_id: str, source: str, practice_id: str) -> dict[str, object]:
    """A booking of Ada's."""
    return {
        "specversion": "1.0",
        "type": "rapport.booking.completed.v1",
        "id": event_id,
        "source": source,
        "practiceid": practice_id,
        "subject": "ada",
        "time": (NOON - timedelta(days=1)).isoformat(),
        "data": {"booking_id": event_id},
    }


@pytest.fixture
def intake() -> Intake:
    return Intake()


def test_it_waits_and_is_accepted_in_order_when_the_source_is_declared(intake: Intake) -> None:
    intake.read("e1", "e2", "e3")
    intake.read("f1", practice_id="harbour")
    assert (intake.accepted(), intake.letters) == ([], [])
    assert [row.record.value for row in intake.stores.tables.undeclared[:1]] == [
        json.dumps(booked("e1", "desk", "lakeside")).encode()
    ]
    intake.declare("desk", "crm")
    for _ in range(3):
        intake.settle()
    assert intake.accepted() == ["e1", "e2", "e3"]
    assert {key.namespace for key in intake.stores.tables.identities} == {"crm"}
    assert [row.key.practice_id for row in intake.stores.tables.undeclared] == ["harbour"]
    assert intake.stores.tables.queues.rows == {}


def test_what_is_declared_does_not_wait_for_what_is_not(intake: Intake) -> None:
    intake.declare("desk", "desk")
    intake.read("e1", source="dsek")
    intake.read("e2")
    assert intake.accepted() == ["e2"]
