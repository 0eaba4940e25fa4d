"""From a source's record to an activity and a watermark, through the loop and the relay."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from ingestion_service.bootstrap import build_api, build_stores
from ingestion_service.consumers import SourceConsumer
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, WatermarkAdvanced
from rapport_contracts.codec import decode
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.metrics import VISITS_TAKEN_BACK
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from tests.integration.ingestion_service.sources import (
    DAY_0,
    event,
    published,
    send,
    set_clock,
    settings_for,
)
from tests.support.doubles.known_secrets import RECORD_KEYS

pytestmark = pytest.mark.integration


def test_records_become_activities_dead_letters_and_then_watermarks(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    send(bus, event("payment.settled", "e1"))
    send(bus, event("payment.settled", "e1"))
    send(bus, event("booking.completed", "e2"))
    send(bus, event("booking.completed", "e3", practiceid="nowhere"))
    send(bus, event("booking.completed", "e4", data={}))
    send(bus, event("booking.completed", "e5", time=(DAY_0 + timedelta(days=9)).isoformat()))
    turn()
    assert published(bus) == []  # there is no business time yet: nothing is accepted, nothing lost
    set_clock(database, urls, DAY_0)
    turn()
    activities = [one.data for one in published(bus) if isinstance(one, ActivityRecorded)]
    assert {(one.kind, one.accepted_at) for one in activities} == {
        ("completed", DAY_0),
        ("settled", DAY_0),
    }
    assert [one.sequence for one in activities] == [1, 2]
    with database.transaction() as tx:
        letters = fetch(
            tx,
            "SELECT practice_id, named_practice, reason, field FROM dead_letter"
            " ORDER BY record_offset",
        )
    assert [tuple(letter) for letter in letters] == [
        (None, "nowhere", "unknown-practice", "/practiceid"),
        (None, "lakeside", "invalid-field", "/data/booking_id"),
        ("lakeside", "lakeside", "occurred-in-the-future", "/time"),
    ]
    marks = [one.data.up_to for one in published(bus) if isinstance(one, WatermarkAdvanced)]
    assert marks == [DAY_0] * topics.CLIENT_ACTIVITY.partitions


def test_a_visit_that_is_taken_back_is_counted_once_it_is_committed(
    bus: MemoryBus, database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    stores = build_stores(database, RECORD_KEYS, is_simulated=True)
    handler = SourceConsumer(stores, lambda: None, lambda _tx, _letters: None)
    place = TopicPartition(topics.SOURCE_BOOKINGS.name, 0)
    send(bus, event("booking.completed", "e1"))
    send(bus, event("booking.cancelled", "e2", time=DAY_0.isoformat()))
    (records,) = [log for tp, log in bus.logs.items() if tp.topic == place.topic and log]
    part = decoded(handler, place, Position(0, ""), records)
    counter = VISITS_TAKEN_BACK.labels("cancelled")
    before = counter._value.get()
    with suppress(ZeroDivisionError), database.transaction() as tx:
        handler.handle(tx, batch_of([part]))
        raise ZeroDivisionError
    handler.after_commit({place: Position(0, "")})
    assert counter._value.get() == before
    for _ in range(2):
        with suppress(ZeroDivisionError), database.transaction() as tx:
            handler.handle(tx, batch_of([part]))
            raise ZeroDivisionError
    with database.transaction() as tx:
        handler.handle(tx, batch_of([part]))
    handler.after_commit({place: Position(2, "")})
    handler.after_commit({place: Position(2, "")})
    assert counter._value.get() == before + 1


def test_a_watermark_comes_after_everything_before_its_time(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    send(bus, event("payment.settled", "e1"))
    set_clock(database, urls, DAY_0 + timedelta(days=1))
    turn()
    turn()
    [partition] = {
        number
        for number in range(topics.CLIENT_ACTIVITY.partitions)
        if len(bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, number)]) == 3
    }
    log = bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, partition)]
    events = [decode(topics.CLIENT_ACTIVITY.name, record.key, record.value) for record in log]
    assert [type(one).__name__ for one in events] == [
        "WatermarkAdvanced",
        "ActivityRecorded",
        "WatermarkAdvanced",
    ]


def test_the_whole_api_is_guarded_and_described(urls: ServiceDatabase) -> None:
    document = build_api(settings_for(urls.api_url)).openapi()
    assert {"/v1/practices", "/v1/events", "/v1/clock", "/v1/status"} <= set(document["paths"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert bool(operation.get("security")) is (path != "/v1/webhooks/{token}")
