"""What a source sends and ingestion refuses waits as a dead letter, and halts nobody else."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ingestion_service.consumers import GROUP
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import LoopHalted
from rapport_runtime.metrics import PASSED_OVER
from tests.integration.ingestion_service.sources import (
    DAY_0,
    event,
    kinds,
    letters_by,
    send,
    set_clock,
)

pytestmark = pytest.mark.integration


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
