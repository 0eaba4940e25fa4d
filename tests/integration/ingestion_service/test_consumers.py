"""From a source's record to an activity and a watermark, through the loop and the relay."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion_service.bootstrap import build_api, build_consumer, build_relay, build_stores
from ingestion_service.consumers import GROUP, TOPICS, SourceConsumer
from ingestion_service.handlers import advance_clock
from ingestion_service.settings import IngestionSettings
from ingestion_service.store.clock import simulated_time
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, WatermarkAdvanced
from rapport_contracts.codec import decode
from rapport_contracts.topics import partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import LoopHalted
from rapport_runtime.metrics import PASSED_OVER, VISITS_TAKEN_BACK
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from rapport_runtime.stream.watermarks import ReadToEnd

pytestmark = pytest.mark.integration
DAY_0 = datetime(2024, 6, 1, tzinfo=UTC)


def settings_for(url: str) -> IngestionSettings:
    return IngestionSettings(
        database_url=url,
        kafka_bootstrap_servers="127.0.0.1:1",
        environment="development",
        simulated_clock=True,
    )


@pytest.fixture
def bus() -> MemoryBus:
    made = MemoryBus()
    for topic in topics.TOPICS:
        made.create(topic.name, topic.partitions)
    return made


@pytest.fixture
def turn(bus: MemoryBus, database: Database, urls: ServiceDatabase) -> Callable[[], None]:
    """One turn of a worker: poll, accept and publish; then store how far was read, and publish."""
    publish = build_relay(database, bus).drain
    handler = build_consumer(settings_for(urls.worker_url), database, publish)
    consumer = bus.consumer(GROUP, [topic.name for topic in TOPICS])
    options = LoopOptions(group=GROUP, poll_seconds=0, retry_seconds=0.01)
    loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())
    reader = ReadToEnd(database, GROUP, simulated_time, jumps=True)

    def run() -> None:
        loop.turn(threading.Event())
        reader.observe(consumer, loop)
        handler.after_commit({})

    return run


def send(bus: MemoryBus, event: dict[str, Any]) -> None:
    topic = topics.SOURCE_PAYMENTS if "payment" in event["type"] else topics.SOURCE_BOOKINGS
    key = event["subject"]
    partition = partition_of(key, topic.partitions)
    bus.append(topic.name, partition, key.encode(), json.dumps(event).encode())


def event(kind: str, event_id: str, **changes: Any) -> dict[str, Any]:
    """Wang Fang's payment or booking `s1`, of the day before the first."""
    is_payment = kind.startswith("payment")
    return {
        "specversion": "1.0",
        "type": f"rapport.{kind}.v1",
        "id": event_id,
        "source": "till",
        "practiceid": "lakeside",
        "subject": "wang-fang",
        "time": (DAY_0 - timedelta(days=1)).isoformat(),
        "data": {"payment_id": "s1", "amount_minor": 5000, "currency": "CNY"}
        if is_payment
        else {"booking_id": "s1"},
        **changes,
    }


def published(bus: MemoryBus) -> list[ActivityRecorded | WatermarkAdvanced]:
    """All events on client-activity.v1, partition by partition."""
    events = []
    for number in range(topics.CLIENT_ACTIVITY.partitions):
        for record in bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, number)]:
            one = decode(topics.CLIENT_ACTIVITY.name, record.key, record.value)
            assert isinstance(one, ActivityRecorded | WatermarkAdvanced)
            events.append(one)
    return events


def kinds(bus: MemoryBus) -> list[str]:
    """The kinds of all activities."""
    return [one.data.kind for one in published(bus) if isinstance(one, ActivityRecorded)]


def set_clock(database: Database, urls: ServiceDatabase, now: datetime) -> None:
    api = Database(urls.api_url, application_name="test-clock")
    with build_stores(api, is_simulated=True).open_for_operator() as store:
        advance_clock(now, store)
    api.close()


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
    handler = SourceConsumer(build_stores(database, is_simulated=True), lambda: None)
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


def sent_by_one(kind: str) -> list[dict[str, Any]]:
    """Sixty events of one practice that are refused one by one, for the reason `kind`."""
    changes: dict[str, Any] = {
        "unknown-practice": {"practiceid": "nowhere"},
        "occurred-in-the-future": {"time": (DAY_0 + timedelta(days=9)).isoformat()},
        "unknown-type": {"type": "rapport.booking.dreamt.v1"},
        "unknown-version": {"type": "rapport.booking.completed.v9"},
        "invalid-field": {"data": {}},
    }[kind]
    return [event("booking.completed", f"e{number}") | changes for number in range(60)]


@pytest.mark.parametrize(
    "kind",
    [
        "unknown-practice",
        "occurred-in-the-future",
        "unknown-type",
        "unknown-version",
        "invalid-field",
    ],
)
def test_sixty_bad_events_of_one_practice_wait_and_halt_nothing(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase, kind: str
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    for one in sent_by_one(kind):
        send(bus, one)
    turn()
    send(bus, event("booking.completed", "good"))
    turn()
    assert letters_by(database, "reason") == {(kind,): 60}
    assert kinds(bus) == ["completed"]


def test_sixty_payments_in_another_currency_or_that_conflict_halt_nothing(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    send(bus, event("payment.settled", "e1"))
    for number in range(60):
        other = {"payment_id": f"p{number}", "amount_minor": 5000, "currency": "EUR"}
        send(bus, event("payment.settled", f"euro{number}", data=other))
        again = {"payment_id": "s1", "amount_minor": number, "currency": "CNY"}
        send(bus, event("payment.settled", "e1", data=again))
    turn()
    send(bus, event("booking.completed", "good"))
    turn()
    assert letters_by(database, "reason, practice_id") == {
        ("currency-mismatch", "lakeside"): 60,
        ("conflicting-duplicate", "lakeside"): 60,
    }
    assert kinds(bus) == ["settled", "completed"]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param(b'{"practiceid": "harbour", "id": "e1", "ti', "harbour", id="cut off"),
        pytest.param(b'{"source": "till", "type": "other"}', None, id="only a source"),
        pytest.param(b"id;amount\r\n1;29,90", None, id="nothing that names anybody"),
    ],
)
def test_two_hundred_values_of_one_source_that_are_no_events_halt_nothing(
    bus: MemoryBus,
    turn: Callable[[], None],
    database: Database,
    urls: ServiceDatabase,
    value: bytes,
    named: str | None,
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    for _ in range(200):
        bus.append(topics.SOURCE_BOOKINGS.name, 0, b"k", value)
    send(bus, event("booking.completed", "good"))
    turn()
    assert letters_by(database, "named_practice") == {(named,): 200}
    assert kinds(bus) == ["completed"]


def test_a_quarter_of_an_unknown_type_halts_nothing_nor_does_what_comes_after(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    for number in range(100):
        send(bus, event("booking.dreamt", f"new{number}"))
        for place in range(3):
            own = {"booking_id": f"b{number}-{place}"}
            send(bus, event("booking.completed", f"e{number}-{place}", data=own))
    turn()
    send(bus, event("booking.completed", "good", data={"booking_id": "b"}))
    turn()
    assert letters_by(database, "reason, named_practice") == {("unknown-type", "lakeside"): 100}
    assert kinds(bus) == ["completed"] * 301


@pytest.mark.parametrize("kind", ["unknown-type", "unknown-practice"])
def test_what_is_refused_of_several_practices_halts_nothing(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase, kind: str
) -> None:
    """Of a type that a later version knows, or of practices that are not registered yet."""
    set_clock(database, urls, DAY_0)
    turn()
    type_ = "booking.dreamt" if kind == "unknown-type" else "booking.completed"
    for number in range(60):
        send(bus, event(type_, f"e{number}", practiceid=f"new-{number % 3}"))
    turn()
    assert letters_by(database, "reason") == {(kind,): 60}


def test_what_several_practices_send_and_cannot_be_decoded_halts_it(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    """R10: a bad deploy of everybody. Nothing of that batch is set aside."""
    set_clock(database, urls, DAY_0)
    turn()
    for number in range(60):
        practice = ("lakeside", "harbour")[number % 2]
        send(bus, event("booking.completed", f"e{number}", practiceid=practice, data={}))
    with pytest.raises(LoopHalted, match="60 invalid records without a valid one, of 2 practices"):
        turn()
    assert letters_by(database, "reason") == {}


def letters_by(database: Database, columns: str) -> dict[tuple[Any, ...], int]:
    """How many letters are held, by these columns."""
    with database.transaction() as tx:
        rows = fetch(
            tx,
            f"SELECT {columns}, count(*) FROM dead_letter WHERE state = 'held'"  # noqa: S608
            f" GROUP BY {columns}",
        )
    return {tuple(row)[:-1]: tuple(row)[-1] for row in rows}


def test_sixty_tombstones_are_counted_and_passed_over(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    counted = PASSED_OVER.labels(GROUP, topics.SOURCE_BOOKINGS.name, "tombstone")
    before = counted._value.get()
    for number in range(60):
        key = None if number % 2 else b"wang-fang"
        bus.append(topics.SOURCE_BOOKINGS.name, 0, key, None)
    turn()
    send(bus, event("payment.settled", "e1"))
    turn()
    assert kinds(bus) == ["settled"]
    assert counted._value.get() - before == 60
    with database.transaction() as tx:
        assert fetch(tx, "SELECT reason FROM dead_letter") == []
        (position,) = fetch(
            tx,
            "SELECT next_offset FROM consumer_position WHERE topic = %(topic)s AND partition = 0",
            {"topic": topics.SOURCE_BOOKINGS.name},
        )
    assert position.next_offset >= 60


def test_a_key_twice_is_a_dead_letter_and_the_last_does_not_win(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    value = json.dumps(event("payment.settled", "e1")).encode()
    twice = value.replace(b'"amount_minor": 5000', b'"amount_minor": 1, "amount_minor": 5000')
    assert twice != value
    bus.append(topics.SOURCE_PAYMENTS.name, 0, b"wang-fang", twice)
    turn()
    assert kinds(bus) == []
    with database.transaction() as tx:
        letters = fetch(tx, "SELECT reason, detail FROM dead_letter")
    assert [tuple(letter) for letter in letters] == [
        ("duplicate-key", "an object has the same key twice")
    ]


def test_an_hour_of_1900_is_refused_by_field_and_other_practices_go_on(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    for number, year in enumerate((1900, 2500, 1969)):
        data = {"booking_id": "b1", "starts_at": f"{year}-06-01T00:00:00Z"}
        send(bus, event("booking.created", f"e{number}", data=data))
        paid = {"payment_id": f"p{number}", "amount_minor": 5000, "currency": "GBP"}
        send(bus, event("payment.settled", f"e{number}", practiceid="harbour", data=paid))
        turn()
    with database.transaction() as tx:
        letters = fetch(tx, "SELECT reason, field FROM dead_letter")
    assert [tuple(letter) for letter in letters] == [("invalid-field", "/data/starts_at")] * 3
    assert kinds(bus) == ["settled"] * 3


def test_a_booking_of_another_client_is_a_dead_letter_of_its_practice(
    bus: MemoryBus, turn: Callable[[], None], database: Database, urls: ServiceDatabase
) -> None:
    set_clock(database, urls, DAY_0)
    turn()
    send(bus, event("booking.completed", "e1"))
    turn()
    send(bus, event("booking.cancelled", "e2", subject="li-na"))
    turn()
    with database.transaction() as tx:
        letters = fetch(tx, "SELECT practice_id, reason, field FROM dead_letter")
    assert [tuple(letter) for letter in letters] == [("lakeside", "other-client", "/subject")]
    assert kinds(bus) == ["completed"]


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
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["description"]
            assert operation["security"]
