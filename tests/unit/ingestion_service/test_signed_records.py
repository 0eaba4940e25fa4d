"""Records of a source that signs, in both modes of CloudEvents: from the bus to the ledger."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ingestion_service.consumers import SourceConsumer
from ingestion_service.domain import turns
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source
from ingestion_service.handlers import register_practice
from ingestion_service.signed_records import HEADER
from rapport_contracts.topics import SOURCE_BOOKINGS
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from tests.support.memory.ingestion import MemoryStores

LAKESIDE = PracticeId("lakeside")
DESK = Source(LAKESIDE, "desk", "Desk", "booking", "desk")
PLACE = TopicPartition(SOURCE_BOOKINGS.name, 3)
SECRET, NEXT_SECRET = "a-secret-of-the-desk", "the-next-secret-of-it"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "rapport.booking.completed.v1",
    "id": "b-1/came",
    "source": "desk",
    "practiceid": LAKESIDE,
    "subject": "ada",
    "time": "2024-05-31T09:00:00Z",
    "data": {"booking_id": "b-1"},
}
VALUE = json.dumps(EVENT).encode()
DATA = json.dumps(EVENT["data"]).encode()
IN_HEADERS = [(f"ce_{name}", text.encode()) for name, text in EVENT.items() if name != "data"]
Headers = list[tuple[str, bytes]]


@pytest.fixture
def stores() -> MemoryStores:
    made = MemoryStores()
    made.real_time = datetime(2024, 6, 1, tzinfo=UTC)
    with made.open_for_operator() as store:
        register_practice(Practice(LAKESIDE, "L", "Asia/Shanghai", "CNY"), store)
    with made.open(LAKESIDE) as store:
        store.save_source(DESK)
    return made


def sign(stores: MemoryStores, *secrets: str) -> None:
    with stores.open(LAKESIDE) as store:
        store.secrets.save_signing(DESK.key, secrets)


def signed(value: bytes, secret: str = SECRET) -> tuple[str, bytes]:
    return HEADER, hmac.new(secret.encode(), value, hashlib.sha256).hexdigest().encode()


def read(stores: MemoryStores, value: bytes, headers: Headers) -> list[tuple[str, str | None]]:
    """The reasons of the dead letters of a batch of one record, and whose each is."""
    consumer = SourceConsumer(stores, lambda: None, lambda _tx, _letters: None)
    return handled(stores, consumer, [MemoryRecord(0, b"ada", value, tuple(headers), 7)])


def handled(
    stores: MemoryStores, consumer: SourceConsumer, records: list[MemoryRecord]
) -> list[tuple[str, str | None]]:
    batch = batch_of([decoded(consumer, PLACE, Position(0, ""), records)])
    with stores.transaction() as tables:
        if batch.partitions:
            consumer.handle(tables, batch)
    batch.name_senders(consumer.sender_of_record)
    return [(letter.error.reason, letter.practice) for letter in batch.letters]


@pytest.mark.parametrize(("value", "headers"), [(VALUE, []), (DATA, IN_HEADERS)])
def test_both_modes_are_the_same_fact(stores: MemoryStores, value: bytes, headers: Headers) -> None:
    assert read(stores, value, headers) == []
    (entry,) = stores.tables.ledger.values()
    assert (entry.fact.event_id, entry.fact.external_object_id) == ("b-1/came", "b-1")


def test_a_letter_in_binary_mode_names_its_practice(stores: MemoryStores) -> None:
    assert read(stores, b"{}", IN_HEADERS) == [("invalid-field", LAKESIDE)]
    assert read(stores, b"no json", IN_HEADERS) == [("not-json", LAKESIDE)]


def test_a_signed_record_is_accepted(stores: MemoryStores) -> None:
    sign(stores, SECRET, NEXT_SECRET)
    assert read(stores, VALUE, [signed(VALUE, NEXT_SECRET)]) == []
    assert len(stores.tables.ledger) == 1


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (VALUE, [], "unsigned"),
        (VALUE, [signed(VALUE), signed(VALUE)], "unsigned"),
        (VALUE, [signed(VALUE, "of-another")], "bad-signature"),
        (VALUE, [signed(VALUE + b" ")], "bad-signature"),
        (VALUE, [(HEADER, b"\xff")], "bad-signature"),
        (DATA, [*IN_HEADERS, signed(DATA)], "unsigned"),
    ],
)
def test_a_record_without_its_signature_is_refused(
    stores: MemoryStores, value: bytes, headers: Headers, reason: str
) -> None:
    sign(stores, SECRET)
    assert read(stores, value, headers) == [(reason, LAKESIDE)]
    assert not stores.tables.ledger


def test_a_source_that_no_longer_signs_needs_no_signature(stores: MemoryStores) -> None:
    sign(stores, SECRET)
    sign(stores)
    assert read(stores, VALUE, []) == []


def test_records_that_waited_while_their_source_began_to_sign_need_signatures(
    stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A practice floods, and most of its records wait in its queue; one of them is signed."""
    monkeypatch.setattr(turns, "CAPACITY", 4)
    letters: list[DeadLetter] = []
    consumer = SourceConsumer(stores, lambda: None, lambda _tx, some: letters.extend(some))
    with stores.open_for_operator() as store:
        quiet = Practice("quiet", "Q", "Asia/Shanghai", "CNY", undeclared_sources="accept")
        register_practice(quiet, store)
    values = [json.dumps({**EVENT, "id": f"e{number}"}).encode() for number in range(15)]
    values.append(json.dumps({**EVENT, "practiceid": "quiet"}).encode())
    records = [
        MemoryRecord(offset, b"ada", value, (signed(value),) if offset == 14 else (), 7)
        for offset, value in enumerate(values)
    ]
    assert handled(stores, consumer, records) == []
    accepted = len(stores.tables.ledger)
    of_flood = accepted - 1
    assert 0 < of_flood < 14
    sign(stores, SECRET)
    for _ in range(len(records)):
        consumer.after_commit({PLACE: Position(len(records), "")})
    assert [letter.error.reason for letter in letters] == ["unsigned"] * (14 - of_flood)
    assert len(stores.tables.ledger) == accepted + 1
