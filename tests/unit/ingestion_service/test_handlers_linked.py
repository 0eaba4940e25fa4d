"""`accept` of facts about bookings that take each other's place, and about parts of payments."""

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from ingestion_service.domain.chains import LONGEST
from ingestion_service.domain.facts import Details, SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.handlers import accept
from tests.support.harness.activities import KeptObjects
from tests.support.memory.ingestion import NOON, MemoryStores
from tests.support.memory.ingestion_world import fact


def results_of(stores: MemoryStores, *facts: SourceFact) -> list[IntakeResult]:
    """Accept a batch."""
    with stores.transaction() as tables:
        return accept(facts, stores.within(tables))


def send(stores: MemoryStores, *facts: SourceFact) -> list[str]:
    """Accept a batch; of each fact why it was rejected, or else its status."""
    return [result.reason or result.status for result in results_of(stores, *facts)]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_refunds_of_a_payment_are_told_one_by_one_or_as_a_total(
    stores: MemoryStores, *, in_one_batch: bool
) -> None:
    total = fact("refunded_total", "t1", amount_minor=70, currency="CNY")
    failed = fact("refund_failed", "f1", details=Details(part_id="e2"))
    facts = fact("settled", "e1"), fact("refunded", "e2", amount_minor=100), total, failed
    batches = [facts] if in_one_batch else [(each,) for each in facts]
    found = [reason for batch in batches for reason in send(stores, *batch)]
    assert found == ["accepted", "accepted", "other-refunds", "accepted"]
    other = [each._replace(external_object_id="s2") for each in (total, failed)]
    others = [each._replace(event_id=f"{each.event_id}-2") for each in other]
    assert send(stores, *others) == ["accepted", "other-refunds"]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_booking_takes_no_place_of_another_clients(
    stores: MemoryStores, *, in_one_batch: bool
) -> None:
    first = fact("created", "e1")
    foreign = fact(
        "created",
        "e2",
        external_id="li-na",
        external_object_id="s2",
        details=Details(replaces="s1"),
    )
    if in_one_batch:
        results = results_of(stores, first, foreign)
    else:
        results = [*results_of(stores, first), *results_of(stores, foreign)]
    found = [(each.reason, each.field) for each in results]
    assert found == [(None, None), ("other-client", "/data/replaces")]
    assert len(stores.tables.objects) == 1


def test_a_booking_may_come_after_the_one_that_takes_its_place(stores: MemoryStores) -> None:
    moved = fact("rescheduled", "e2", external_object_id="s2", details=Details(replaces="s1"))
    assert send(stores, moved) == ["accepted"]
    assert send(stores, fact("created", "e1", external_id="li-na")) == ["other-client"]
    assert send(stores, fact("created", "e1")) == ["accepted"]
    assert send(stores, fact("completed", "e3", external_object_id="s2")) == ["accepted"]
    assert sum(each.delta.number for each in stores.tables.published) == 1
    ids = {key.external_id: stored.object_id for key, stored in stores.tables.objects.items()}
    told = Counter[str | None]()
    for each in stores.tables.published:
        told[each.cause and each.cause.object_id] += each.delta.number
    assert told == {ids["s1"]: 1}
    named = [(entry.fact.event_id, entry.object_id) for entry in stores.tables.ledger.values()]
    assert named == [("e2", ids["s2"]), ("e1", ids["s1"]), ("e3", ids["s2"])]


def chain(of: str, length: int) -> list[SourceFact]:
    """So many bookings, each in the place of the one before: the last is told first."""
    return [
        fact(
            "rescheduled",
            f"{of}-{step}",
            external_object_id=f"{of}{step}",
            details=Details(replaces=f"{of}{step - 1}"),
        )
        for step in range(length - 1, 0, -1)
    ]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_chain_has_at_most_a_hundred_bookings(
    stores: MemoryStores, *, in_one_batch: bool
) -> None:
    facts = [*chain("s", LONGEST), *chain("t", 2)]
    batches = [facts] if in_one_batch else [[each] for each in facts]
    found = {reason for batch in batches for reason in send(stores, *batch)}
    assert found == {"accepted"}
    replaced = Details(replaces=f"s{LONGEST - 1}")
    one_more = fact("rescheduled", "e1", external_object_id="s100", details=replaced)
    another_chain = fact("rescheduled", "e2", external_object_id="t0", details=replaced)
    results = results_of(stores, one_more, another_chain)
    assert {(each.reason, each.field) for each in results} == {("chain-too-long", "/data/replaces")}
    again = fact("completed", "e3", external_object_id="s2", details=Details(replaces="s1"))
    alone = one_more._replace(details=Details())
    assert send(stores, again, alone) == ["accepted", "accepted"]


def test_all_bookings_between_one_and_its_first_become_part_of_the_first() -> None:
    kept = KeptObjects()
    for each in chain("s", 50):
        kept.fold(each, ZoneInfo("Asia/Shanghai"))
    missed = fact("no_show", "e1", external_object_id="s49")
    kept.fold(missed, ZoneInfo("Asia/Shanghai"))
    wholes = {key.external_id: one.standing.part_of for key, one in kept.known.items()}
    assert wholes == {"s0": None} | {f"s{step}": "s0" for step in range(1, 50)}


def test_a_cancellation_of_the_far_future_is_refused(stores: MemoryStores) -> None:
    ahead = Details(cancelled_by="client", cancelled_at=NOON + timedelta(hours=49))
    [result] = results_of(stores, fact("cancelled", "e1", details=ahead))
    assert (result.reason, result.field) == ("occurred-in-the-future", "/data/cancelled_at")
