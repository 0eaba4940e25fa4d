"""`accept` on a store in memory: what is accepted, and what is written for it."""

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta, timezone
from typing import Any

import pytest

from ingestion_service import intake
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import Details, SourceFact, SourceKind
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.handlers import accept, advance_clock, register_practice
from tests.support.memory.ingestion import NOON, MemoryReads, MemoryStores
from tests.support.memory.ingestion_world import CODES, HARBOUR, LAKESIDE, fact


@pytest.fixture
def stores() -> MemoryStores:
    """With the practices Lakeside and Harbour, at noon."""
    made = MemoryStores()
    with made.open_for_operator() as store:
        register_practice(LAKESIDE, store)
        register_practice(HARBOUR, store)
    return made


def send(stores: MemoryStores, *facts: SourceFact) -> list[str]:
    """Accept a batch; of each fact why it was rejected, or else its status."""
    return [result.reason or result.status for result in results_of(stores, *facts)]


def results_of(stores: MemoryStores, *facts: SourceFact) -> list[IntakeResult]:
    with stores.transaction() as tables:
        return accept(facts, stores.within(tables))


def published(stores: MemoryStores) -> list[tuple[str, int, int]]:
    """Kind, number and amount of each activity, oldest first."""
    deltas = [activity.delta for activity in stores.tables.published]
    return [(delta.kind, delta.number, delta.amount_minor) for delta in deltas]


def sums(stores: MemoryStores) -> Counter[tuple[Any, ...]]:
    """What all activities add up to by client, kind, day and hour, without zeros; a registration
    says nothing that could be added."""
    found: Counter[tuple[Any, ...]] = Counter()
    for activity in stores.tables.published:
        delta = activity.delta
        if delta.kind == "registered":
            continue
        key = (activity.owner.practice_id, delta.kind, delta.on, delta.starts_at)
        found[*key, "number"] += delta.number
        found[*key, "amount"] += delta.amount_minor
    return Counter({key: value for key, value in found.items() if value})


def test_an_accepted_fact_is_in_the_ledger_and_published(stores: MemoryStores) -> None:
    settled = fact("settled", "e1")
    assert send(stores, settled) == ["accepted"]
    [entry] = stores.tables.ledger.values()
    assert (entry.fact, entry.content_hash) == (settled, settled.content_hash)
    assert (entry.accepted_at, entry.first_sequence, len(entry.deltas)) == (NOON, 1, 1)
    [activity] = stores.tables.published
    assert activity.cause == ("desk", "e1", entry.object_id, False)
    assert (activity.sequence, activity.accepted_at) == (1, NOON)
    [client_id] = stores.tables.identities.values()
    assert activity.owner == ("lakeside", client_id, 1, "Asia/Shanghai", "CNY")


def test_a_fact_counts_on_the_day_of_the_practice(stores: MemoryStores) -> None:
    late = NOON.replace(hour=17) - timedelta(days=1)  # one o'clock of the next day in Shanghai
    send(stores, fact("completed", "e1", occurred_at=late))
    send(stores, fact("completed", "e1", occurred_at=late, practice_id=HARBOUR.practice_id))
    days = [activity.delta.on.isoformat() for activity in stores.tables.published]
    assert days == ["2024-06-01", "2024-05-31"]


def test_a_fact_that_comes_again_is_a_duplicate(stores: MemoryStores) -> None:
    once = fact("completed", "e1")
    assert send(stores, once, once) == ["accepted", "duplicate"]
    assert send(stores, once, fact("settled", "e2")) == ["duplicate", "accepted"]
    assert send(stores, once) == ["duplicate"]
    assert published(stores) == [("completed", 1, 0), ("settled", 1, 5000)]
    assert len(stores.tables.ledger) == 2


def test_what_came_live_and_is_sent_again_as_history_is_a_duplicate(stores: MemoryStores) -> None:
    live, history = fact("settled", "e1"), fact("settled", "e1", backfill=True)
    assert send(stores, live, history) == ["accepted", "duplicate"]
    assert send(stores, history) == ["duplicate"]


def test_other_content_under_the_same_id_is_a_conflict(stores: MemoryStores) -> None:
    first, other = fact("settled", "e1"), fact("settled", "e1", amount_minor=5001)
    assert send(stores, first, other) == ["accepted", "conflicting-duplicate"]
    assert send(stores, other, first) == ["conflicting-duplicate", "duplicate"]
    assert published(stores) == [("settled", 1, 5000)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"external_id": "li-na"}, id="another client"),
        pytest.param({"external_object_id": "s2"}, id="another booking"),
        pytest.param({"attributes": CODES}, id="a code"),
        pytest.param({"kind": "cancelled", "starts_at": None}, id="another kind"),
        pytest.param({"occurred_at": NOON}, id="another time"),
        pytest.param({"starts_at": NOON + timedelta(days=3)}, id="another hour"),
        pytest.param({"details": Details(replaces="s0")}, id="a booking replaced"),
    ],
)
def test_every_field_that_says_what_happened_is_content(
    stores: MemoryStores, changes: dict[str, Any]
) -> None:
    send(stores, fact("created", "e1"))
    assert send(stores, fact("created", "e1", **changes)) == ["conflicting-duplicate"]


def test_an_event_id_belongs_to_its_source_and_practice(stores: MemoryStores) -> None:
    facts = [
        fact("completed", "e1"),
        fact("completed", "e1", source="till"),
        fact("completed", "e1", practice_id=HARBOUR.practice_id),
    ]
    assert send(stores, *facts) == ["accepted"] * 3
    assert len(stores.tables.clients) == 3


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        pytest.param(
            {"practice_id": "nowhere"}, "unknown-practice", "/practiceid", id="unknown practice"
        ),
        pytest.param(
            {"currency": "EUR"}, "currency-mismatch", "/data/currency", id="other currency"
        ),
        pytest.param(
            {"occurred_at": NOON + timedelta(hours=48, microseconds=1)},
            "occurred-in-the-future",
            "/time",
            id="the future",
        ),
    ],
)
def test_a_refused_fact_writes_nothing_and_stops_no_other(
    stores: MemoryStores, changes: dict[str, Any], reason: str, field: str
) -> None:
    refused = fact("settled", "e1", external_id="li-na", **changes)
    [alone] = results_of(stores, refused)
    assert (alone.status, alone.reason, alone.field) == ("rejected", reason, field)
    assert (stores.tables.ledger, stores.tables.clients) == ({}, {})
    assert send(stores, refused, fact("settled", "e2"), refused) == [reason, "accepted", reason]
    assert [entry.fact.event_id for entry in stores.tables.ledger.values()] == ["e2"]
    assert len(stores.tables.clients) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_an_object_of_another_client_is_refused_and_writes_nothing(
    stores: MemoryStores, size: int
) -> None:
    facts = [fact("created", "e1"), fact("completed", "e2", external_id="li-na")]
    results = [each for n in range(0, 2, size) for each in results_of(stores, *facts[n : n + size])]
    assert [(each.status, each.reason, each.field) for each in results] == [
        ("accepted", None, None),
        ("rejected", "other-client", "/subject"),
    ]
    assert [entry.fact.event_id for entry in stores.tables.ledger.values()] == ["e1"]
    assert [key.external_id for key in stores.tables.identities] == ["wang-fang"]
    assert send(stores, facts[1]._replace(external_id="wang-fang")) == ["accepted"]


def test_a_conflict_gives_no_object_away(stores: MemoryStores) -> None:
    first = fact("created", "e1")
    conflict = first._replace(external_object_id="s2", external_id="li-na")
    assert send(stores, first, conflict) == ["accepted", "conflicting-duplicate"]
    assert [key.external_id for key in stores.tables.objects] == ["s1"]
    rightful = fact("created", "e2", external_object_id="s2")
    assert send(stores, conflict, rightful) == ["conflicting-duplicate", "accepted"]
    owners = {key.external_id: known.owner for key, known in stores.tables.objects.items()}
    assert owners == {"s1": first.identity, "s2": first.identity}


def test_the_same_id_in_two_sources_is_two_objects(stores: MemoryStores) -> None:
    send(stores, fact("created", "e1"), fact("created", "e2", source="till", external_id="li-na"))
    assert published(stores) == [("booked", 1, 0)] * 2
    assert len({known.object_id for known in stores.tables.objects.values()}) == 2


def test_an_object_keeps_its_id_for_ever(stores: MemoryStores) -> None:
    send(stores, fact("created", "e1"))
    send(stores, fact("completed", "e2", occurred_at=NOON))
    causes = [activity.cause for activity in stores.tables.published]
    assert len(causes) == 3
    assert len({cause.object_id for cause in causes if cause is not None}) == 1


def test_an_id_that_was_refused_is_free(stores: MemoryStores) -> None:
    assert send(stores, fact("settled", "e1", currency="EUR")) == ["currency-mismatch"]
    assert send(stores, fact("settled", "e1")) == ["accepted"]


def test_a_fact_of_48_hours_ahead_is_accepted(stores: MemoryStores) -> None:
    assert send(stores, fact("settled", "e1", occurred_at=NOON + timedelta(hours=48))) == [
        "accepted"
    ]


def test_nothing_is_accepted_before_the_simulated_clock_is_set() -> None:
    stores = MemoryStores(is_simulated=True)
    with stores.open_for_operator() as store:
        register_practice(LAKESIDE, store)
    with pytest.raises(NotYet):
        send(stores, fact("settled", "e1"))
    with stores.open_for_operator() as store:
        advance_clock(NOON, store)
    assert send(stores, fact("settled", "e1")) == ["accepted"]


def test_a_refund_waits_for_its_payment_in_a_later_batch(stores: MemoryStores) -> None:
    send(stores, fact("created", "e0"), fact("refunded", "e2", amount_minor=2000))
    assert published(stores) == [("booked", 1, 0)]
    _, waiting = stores.tables.ledger.values()
    assert (waiting.first_sequence, waiting.deltas) == (2, [])
    send(stores, fact("settled", "e1", occurred_at=NOON - timedelta(days=9)))
    assert published(stores)[1:] == [("settled", 1, 5000), ("refunded", 1, 2000)]
    _, settled, refunded = stores.tables.published
    assert refunded.delta.on == settled.delta.on
    assert refunded.delta.refers_to == settled.delta.activity_id


def test_a_cancellation_before_its_booking_leaves_nothing_booked(stores: MemoryStores) -> None:
    send(stores, fact("cancelled", "e2"))
    send(stores, fact("created", "e1", occurred_at=NOON - timedelta(days=9)))
    assert published(stores) == [("registered", 1, 0)]
    assert len(stores.tables.ledger) == 2


@pytest.mark.parametrize("first", ["refunded", "cancelled", "failed"])
@pytest.mark.parametrize("are_apart", [True, False])
def test_a_client_whose_first_fact_counts_for_nothing_is_made_known_once(
    stores: MemoryStores, first: SourceKind, *, are_apart: bool
) -> None:
    """Otherwise nobody else would know the client whom this service answers for."""
    nothing = fact(first, "e1", backfill=True)
    again = fact(first, "e2", external_object_id="s2")
    counts = fact("completed", "e3", external_object_id="s3")
    for batch in [[nothing], [again], [counts]] if are_apart else [[nothing, again, counts]]:
        send(stores, *batch)
    assert published(stores) == [("registered", 1, 0), ("completed", 1, 0)]
    known, came = stores.tables.published
    assert (known.sequence, known.is_last_of_cause, came.sequence) == (1, True, 2)
    assert known.cause is not None
    assert (known.cause.event_id, known.cause.backfill) == ("e1", True)
    assert known.delta.activity_id not in {came.delta.activity_id}
    entries = [len(entry.deltas) for entry in stores.tables.ledger.values()]
    assert entries == [1, 0, 1]


def test_a_visit_that_is_taken_back_is_told(stores: MemoryStores) -> None:
    came, entered = fact("completed", "e1"), fact("created", "e2", occurred_at=NOON)
    gone = fact("cancelled", "e3", occurred_at=NOON)
    other = fact("cancelled", "e4", external_object_id="s2")
    results = results_of(stores, came, came, entered, other, gone)
    assert [result.status for result in results] == [
        "accepted",
        "duplicate",
        "accepted",
        "accepted",
        "accepted",
    ]
    assert [result.took_back_visit for result in results] == [False] * 4 + [True]
    assert not results_of(stores, gone)[0].took_back_visit


def test_what_goes_back_beyond_what_was_paid_is_told_and_counts_nowhere(
    stores: MemoryStores,
) -> None:
    facts = [
        fact("refunded", "e1", amount_minor=4000),
        fact("settled", "e2", amount_minor=5000),
        fact("refunded", "e3", amount_minor=4000),
    ]
    assert [result.overdraws for result in results_of(stores, *facts)] == [False, False, True]
    net = sum(amount if kind == "settled" else -amount for kind, _, amount in published(stores))
    assert net == 0


def test_a_booking_and_a_payment_of_one_id_are_apart(stores: MemoryStores) -> None:
    send(stores, fact("created", "e1"), fact("settled", "e2"))
    send(stores, fact("cancelled", "e3"))
    assert published(stores) == [("booked", 1, 0), ("settled", 1, 5000), ("booked", -1, 0)]


def test_each_client_has_a_gapless_sequence(stores: MemoryStores) -> None:
    other = {"external_id": "li-na", "external_object_id": "s2"}
    send(stores, fact("created", "e1"), fact("created", "e2", **other), fact("settled", "e3"))
    send(stores, fact("completed", "e4", occurred_at=NOON), fact("settled", "e5", **other))
    sequences: dict[str, list[int]] = {}
    for activity in stores.tables.published:
        sequences.setdefault(activity.owner.client_id, []).append(activity.sequence)
    names = {client_id: key.external_id for key, client_id in stores.tables.identities.items()}
    assert {names[client_id]: numbers for client_id, numbers in sequences.items()} == {
        "wang-fang": [1, 2, 3, 4],
        "li-na": [1, 2],
    }
    clients = stores.tables.clients.values()
    assert {names[client.client_id]: client.last_sequence for client in clients} == {
        "wang-fang": 4,
        "li-na": 2,
    }


ONE_CLIENT = (
    fact("created", "e1"),
    fact("rescheduled", "e2", occurred_at=NOON, starts_at=NOON + timedelta(days=5)),
    fact("settled", "e3"),
    fact("refunded", "e4", occurred_at=NOON, amount_minor=700),
    fact("failed", "e5", occurred_at=NOON - timedelta(days=2)),
)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_order_of_arrival_changes_no_sum(size: int) -> None:
    def total(order: Sequence[SourceFact]) -> Counter[tuple[Any, ...]]:
        stores = MemoryStores()
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        for start in range(0, len(order), size):
            send(stores, *order[start : start + size])
        return sums(stores)

    expected = total(ONE_CLIENT)
    assert {(key[1], key[-1]): value for key, value in expected.items()} == {
        ("booked", "number"): 1,
        ("settled", "number"): 1,
        ("settled", "amount"): 5000,
        ("refunded", "number"): 1,
        ("refunded", "amount"): 700,
    }
    for order in itertools.permutations(ONE_CLIENT):
        assert total(order) == expected


def test_a_change_of_the_zones_rules_between_two_facts_leaves_no_day_over(
    stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is taken back is what was published, not what today's rules say."""
    created = fact("created", "e1", starts_at=NOON)
    send(stores, created)
    later = timezone(timedelta(hours=13))  # by these rules the booked hour is a day later
    monkeypatch.setattr(intake, "ZoneInfo", lambda _name: later)
    send(stores, fact("completed", "e2"))
    send(stores, created._replace(event_id="e3", external_object_id="s2"))
    days = [(one.delta.kind, one.delta.number, one.delta.on) for one in stores.tables.published]
    assert days == [
        ("booked", 1, date(2024, 6, 1)),
        ("booked", -1, date(2024, 6, 1)),
        ("completed", 1, date(2024, 6, 1)),
        ("booked", 1, date(2024, 6, 2)),
    ]
    [client_id] = stores.tables.identities.values()
    shown = MemoryReads(stores).activities(LAKESIDE.practice_id, client_id, 0, 9)
    assert shown == stores.tables.published
