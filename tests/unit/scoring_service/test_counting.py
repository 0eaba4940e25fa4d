"""What each kind of activity counts for in the digest; a correction takes all of it back."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from rapport_contracts import topics
from rapport_contracts.words import ACTIVITY_KINDS, SIGNAL_KINDS
from scoring_service.consumers import TOPICS
from scoring_service.domain.counting import COUNTS_FOR, count
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import KNOWN_KINDS, SIGNALS, Fact
from scoring_service.domain.kernel.facts import Series

ON = date(2024, 3, 2)
DAY = ON.toordinal()
NOON = datetime(2024, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def activity(kind: str, sequence: int = 1, **more: Any) -> Fact:
    values: dict[str, Any] = {
        "activity_id": f"act-{sequence}",
        "generation": 1,
        "on": ON,
        "zone": "Asia/Shanghai",
        "count": 1,
        "amount_minor": 0,
        "occurred_at": NOON,
        "accepted_at": NOON,
        "object_id": "object-1",
    }
    return Fact(kind=kind, sequence=sequence, **values | more)


def counted(*facts: Fact) -> Digest:
    digest = Digest()
    for fact in facts:
        count(digest, fact)
    return digest


def net(digest: Digest, kind: str) -> int:
    return sum(digest.series(kind).nets)


def test_every_activity_of_today_is_known() -> None:
    assert frozenset(SIGNAL_KINDS) == SIGNALS
    assert frozenset(ACTIVITY_KINDS) == KNOWN_KINDS == frozenset(COUNTS_FOR)


def test_scoring_reads_nothing_of_care() -> None:
    assert topics.CARE_SIGNALS.name not in TOPICS


@pytest.mark.parametrize(
    ("kind", "counts_for"),
    [
        ("booked", {"booked": 1}),
        ("completed", {"completed": 1, "visited": 1}),
        ("consulted", {"consulted": 1}),
        ("visited", {"visited": 1}),
        ("enquired", {"enquired": 1}),
        ("engaged", {"engaged": 1}),
        ("referral_converted", {"referral_converted": 1}),
        ("referral_made", {}),
        ("case_opened", {"case_opened": 1, "cases_open": 1}),
        ("case_closed", {"case_closed": 1, "case_opened": 1, "cases_open": 0}),
        ("registered", {}),
        ("requested", {}),
    ],
)
def test_a_kind_counts_for_what_the_measures_read(kind: str, counts_for: dict[str, int]) -> None:
    digest = counted(activity(kind))
    assert {each: net(digest, each) for each in counts_for} == counts_for
    assert bool(digest.sums or digest.days) == bool(counts_for)


def test_a_case_that_ends_takes_its_opening_back_and_is_open_no_more() -> None:
    opened = activity("case_opened")
    digest = counted(opened)
    assert net(digest, "cases_open") == 1
    taken_back = activity("case_opened", 2, count=-1, refers_to="act-1")
    end = {"on": ON + timedelta(days=9), "attributes": {"outcome": "transferred"}}
    digest = counted(opened, taken_back, activity("case_closed", 3, **end))
    assert [net(digest, kind) for kind in ("cases_open", "case_closed", "case_transferred")] == [
        0,
        1,
        1,
    ]
    assert digest.series("case_completed") == Series([], [])


def test_arrears_are_owed_until_they_are_cleared() -> None:
    opened = activity("arrears_opened", amount_minor=700)
    assert net(counted(opened), "owed") == 700
    more = activity("arrears_opened", 2, count=0, amount_minor=50, refers_to="act-1")
    back = activity("arrears_opened", 3, count=-1, amount_minor=-750, refers_to="act-2")
    cleared = activity("arrears_cleared", 4)
    assert net(counted(opened, more), "owed") == 750
    assert counted(opened, more, back, cleared) == Digest()


@pytest.mark.parametrize(
    ("by", "before", "late"),
    [("client", 24 * HOUR, 0), ("client", 23 * HOUR, 1), ("counsellor", HOUR, 0)],
)
def test_a_client_cancels_late_within_a_day_of_the_hour(
    by: str, before: timedelta, late: int
) -> None:
    said = {"cancelled_by": by, "cancelled_at": NOON - before, "starts_at": NOON}
    assert net(counted(activity("cancelled", **said)), "late_cancelled") == late


def test_an_hour_is_counted_by_its_service() -> None:
    digest = counted(activity("completed", attributes={"service_code": "couple"}))
    assert digest.completed == [1]
    assert digest.keyed("completed") == {"couple": Series([DAY], [1])}


def test_payments_of_one_package_are_one_purchase_at_the_price_of_an_hour() -> None:
    package = {"attributes": {"package_id": "ten", "units": 10}}
    first = activity("settled", 1, amount_minor=300_000, **package)
    second = activity("settled", 2, amount_minor=300_000, object_id="object-2", **package)
    single = activity("settled", 3, amount_minor=70_000, object_id="object-3")
    digest = counted(first, second, single)
    assert net(digest, "purchased") == 2
    assert set(digest.keyed("sold")) == {"60000", "70000"}
    some = activity("refunded", 4, amount_minor=10_000, object_id="object-3")
    assert set(counted(first, single, some).keyed("sold")) == {"30000", "70000"}
    back = activity("refunded", 5, amount_minor=60_000, object_id="object-3")
    digest = counted(back, first, some, second, single)
    assert (net(digest, "purchased"), set(digest.keyed("sold"))) == (1, {"60000"})
    free = activity("settled", 6, amount_minor=0, object_id="object-6")
    assert net(counted(free), "purchased") == 0


def test_an_offer_has_its_price_and_what_corrects_it() -> None:
    offered = activity("need_noted", amount_minor=80_000)
    assert counted(offered).keyed("quoted") == {"80000": Series([DAY], [1])}
    lower = activity("need_noted", 2, count=0, amount_minor=-30_000, refers_to="act-1")
    assert set(counted(lower, offered).keyed("quoted")) == {"50000"}


def test_the_last_word_of_a_day_holds_and_can_be_taken_back() -> None:
    clear = activity("need_noted", attributes={"clarity": "clear"}, occurred_at=NOON + HOUR)
    vague = activity("need_noted", 2, attributes={"clarity": "vague"})
    back = activity("need_noted", 3, attributes={"clarity": "clear"}, count=-1, refers_to="act-1")
    assert [said.value for said in counted(clear, vague).said("need_clarity")] == ["vague", "clear"]
    assert [said.value for said in counted(back, vague, clear).said("need_clarity")] == ["vague"]
    consents = activity("need_consent_given", 4), activity("need_consent_withdrawn", 5)
    assert [said.value for said in counted(*consents).said("need")] == ["given", "withdrawn"]


def test_no_order_changes_the_sums_and_what_is_taken_back_leaves_nothing() -> None:
    random = Random(59)
    facts = []
    for number, kind in enumerate(sorted(KNOWN_KINDS) * 3, start=1):
        code = random.choice(("couple", "single"))
        codes = {"clarity": "clear", "service_code": code, "units": 10, "package_id": code}
        facts.append(
            activity(
                kind,
                number,
                amount_minor=random.choice((0, 500, 900)),
                object_id=f"object-{number % 7}",
                attributes=codes | {"outcome": "completed"},
                starts_at=NOON,
                cancelled_at=NOON,
                cancelled_by="client",
            )
        )
    digest = counted(*facts)
    assert counted(*random.sample(facts, len(facts))).to_bytes() == digest.to_bytes()
    taken_back = [
        activity(
            fact.kind,
            fact.sequence + 1_000,
            count=-1,
            amount_minor=-fact.amount_minor,
            refers_to=fact.activity_id,
            object_id=fact.object_id,
            attributes=fact.attributes,
            starts_at=NOON,
            cancelled_at=NOON,
            cancelled_by="client",
        )
        for fact in facts
    ]
    both = facts + taken_back
    assert counted(*random.sample(both, len(both))) == Digest()
