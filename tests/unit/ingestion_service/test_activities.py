"""What facts count for: in any order of arrival the same, and the deltas always add up to it."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_service.domain.activities import (
    ActivityOwner,
    Delta,
    caused,
    takes_back_a_visit,
)
from ingestion_service.domain.facts import (
    RANK,
    Attributes,
    SourceFact,
    SourceKind,
    SourceObjectKind,
)
from ingestion_service.domain.source_objects import SourceObject
from tests.support.harness.activities import KeptObjects, activities_of

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2024, 2, 28, 12, tzinfo=UTC)
BOOKING_KINDS: Sequence[SourceKind] = (
    "created",
    "rescheduled",
    "cancelled",
    "completed",
    "no_show",
)
PAYMENT_KINDS: Sequence[SourceKind] = ("settled", "refunded", "charged_back", "failed")
Place = tuple[str, date, datetime | None, Attributes]
Totals = dict[Place, tuple[int, int]]


def fact(
    kind: SourceKind,
    event_id: str = "e1",
    hours: int = 0,
    amount: int = 100,
    codes: Attributes = (),
) -> SourceFact:
    """A fact of Wang Fang's booking or payment `s1`, so many hours after noon."""
    object_kind: SourceObjectKind = "booking" if kind in BOOKING_KINDS else "payment"
    starts_at = NOON + timedelta(days=hours) if kind in {"created", "rescheduled"} else None
    has_money = kind in {"settled", "refunded", "charged_back"}
    return SourceFact(
        "lakeside",
        "desk",
        event_id,
        "desk",
        "wang-fang",
        object_kind,
        "s1",
        kind,
        NOON + timedelta(hours=hours),
        starts_at,
        amount if has_money else None,
        "CNY" if has_money else None,
        codes,
    )


def totals(deltas: Sequence[Delta]) -> Totals:
    """The sums of deltas by kind, day and codes, without those that came to nothing."""
    numbers: Counter[Place] = Counter()
    amounts: Counter[Place] = Counter()
    for delta in deltas:
        key = (delta.kind, delta.on, delta.starts_at, delta.attributes)
        numbers[key] += delta.number
        amounts[key] += delta.amount_minor
    return {key: (numbers[key], amounts[key]) for key in numbers if numbers[key] or amounts[key]}


def expected(facts: Sequence[SourceFact]) -> Totals:
    """The definition, written out over all facts at once: what they count for."""
    ordered = sorted(facts, key=lambda f: (f.occurred_at, RANK[f.kind], f.event_id))
    if not ordered:
        return {}
    if ordered[0].object_kind == "booking":
        last = ordered[-1]
        others = [f for f in ordered if f.kind != "created"]
        if others and others[-1].kind in {"completed", "no_show"}:
            last = others[-1]
        codes = {name: code for f in ordered for name, code in f.attributes}
        attributes = tuple(sorted(codes.items()))
        happened_on = last.occurred_at.astimezone(ZONE).date()
        if last.kind in {"completed", "no_show"}:
            return {(last.kind, happened_on, None, attributes): (1, 0)}
        if last.starts_at is not None:
            on = last.starts_at.astimezone(ZONE).date()
            return {("booked", on, last.starts_at, attributes): (1, 0)}
        return {}
    deciding = [f for f in ordered if f.kind in {"settled", "failed"}]
    settled = [f for f in deciding if f.kind == "settled"]
    if not deciding or deciding[-1].kind == "failed":
        return {}
    fell_through = any(f.kind == "failed" for f in deciding[deciding.index(settled[0]) :])
    on = settled[-1 if fell_through else 0].occurred_at.astimezone(ZONE).date()
    backs = [f.amount_minor or 0 for f in ordered if f.kind in {"refunded", "charged_back"}]
    counts: Totals = {("settled", on, None, ()): (1, settled[-1].amount_minor or 0)}
    if backs:
        paid = settled[-1].amount_minor or 0
        counts["refunded", on, None, ()] = (len(backs), min(sum(backs), paid))
    return counts


CODES = st.dictionaries(st.sampled_from(("site", "product")), st.sampled_from("ab")).map(
    lambda drawn: tuple(sorted(drawn.items()))
)


def facts_of(kinds: Sequence[SourceKind]) -> st.SearchStrategy[list[SourceFact]]:
    """Up to eight facts of one object, many of them at the same instant; bookings have codes."""
    codes = CODES if kinds is BOOKING_KINDS else st.just(())
    one = st.tuples(st.sampled_from(kinds), st.integers(0, 60), st.integers(0, 3), codes)
    return st.lists(one, max_size=8).map(
        lambda drawn: [
            fact(kind, f"e{index}", hours, amount * 100, attributes)
            for index, (kind, hours, amount, attributes) in enumerate(drawn)
        ]
    )


ANY_FACTS = st.one_of(facts_of(BOOKING_KINDS), facts_of(PAYMENT_KINDS))


@given(facts=ANY_FACTS, seed=st.integers(0, 2**32))
def test_arrival_in_any_order_gives_the_same_totals(facts: list[SourceFact], seed: int) -> None:
    shuffled = list(facts)
    random.Random(seed).shuffle(shuffled)
    assert totals(activities_of(shuffled, ZONE)) == expected(facts)


@given(facts=ANY_FACTS)
def test_after_every_fact_the_deltas_add_up_to_the_effect(facts: list[SourceFact]) -> None:
    deltas = activities_of(facts, ZONE)
    by_cause: list[Delta] = []
    for number in range(len(facts) + 1):
        by_cause = activities_of(facts[:number], ZONE)
        assert totals(by_cause) == expected(facts[:number])
        assert deltas[: len(by_cause)] == by_cause


@given(facts=ANY_FACTS)
def test_activities_have_ids_of_their_own_and_refer_to_earlier_ones(
    facts: list[SourceFact],
) -> None:
    seen: set[str] = set()
    for delta in activities_of(facts, ZONE):
        assert delta.activity_id not in seen
        assert delta.refers_to is None or delta.refers_to in seen
        assert delta.number or delta.amount_minor
        if delta.number < 0 or delta.kind == "refunded":
            assert delta.refers_to is not None
        seen.add(delta.activity_id)


def test_a_completed_booking_takes_back_the_booked_hour() -> None:
    booked, unbooked, completed = activities_of(
        [fact("created"), fact("completed", "e2", hours=30)], ZONE
    )
    assert (booked.kind, booked.number, booked.on) == ("booked", 1, date(2024, 2, 28))
    assert (unbooked.kind, unbooked.number, unbooked.on) == ("booked", -1, date(2024, 2, 28))
    assert unbooked.refers_to == booked.activity_id
    assert unbooked.starts_at == booked.starts_at == NOON
    assert (completed.kind, completed.number, completed.on) == ("completed", 1, date(2024, 3, 1))
    assert completed.refers_to is None


def test_a_day_is_the_practices_own() -> None:
    late = fact("completed", hours=5)  # 17:00 in London, 01:00 of the next day in Shanghai
    assert [delta.on for delta in activities_of([late], ZONE)] == [date(2024, 2, 29)]
    assert [delta.on for delta in activities_of([late], ZoneInfo("Europe/London"))] == [
        date(2024, 2, 28)
    ]


def test_a_cancellation_before_its_booking_leaves_nothing() -> None:
    assert activities_of([fact("cancelled", "e2", hours=9), fact("created")], ZONE) == []


@pytest.mark.parametrize("kind", ["completed", "no_show"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_booking_that_is_entered_after_its_outcome_does_not_undo_it(
    kind: SourceKind, *, is_first: bool
) -> None:
    """A source that knows the outcome by its day alone says ten o'clock; the booking is of two."""
    both = [fact(kind, "e1", hours=10), fact("created", "e2", hours=14)]
    deltas = activities_of(both if is_first else both[::-1], ZONE)
    assert {key[0]: net for key, net in totals(deltas).items()} == {kind: (1, 0)}


def test_a_booking_that_is_made_again_after_it_was_cancelled_counts() -> None:
    facts = [fact("completed", "e1"), fact("cancelled", "e2", 1), fact("created", "e3", 2)]
    assert [key[0] for key in totals(activities_of(facts, ZONE))] == ["booked"]


@pytest.mark.parametrize(
    ("later", "is_taken_back"),
    [("cancelled", True), ("rescheduled", True), ("no_show", True), ("completed", False)],
)
def test_what_takes_a_visit_back_is_told_from_what_moves_it(
    later: SourceKind, *, is_taken_back: bool
) -> None:
    booking = SourceObject(ZONE)
    assert not takes_back_a_visit(booking.fold(fact("created", "e1")))
    assert not takes_back_a_visit(booking.fold(fact("completed", "e2", hours=1)))
    assert takes_back_a_visit(booking.fold(fact(later, "e3", hours=30))) is is_taken_back


def test_a_cancellation_of_the_same_instant_has_the_last_word() -> None:
    facts = [fact("cancelled", "e1"), fact("completed", "e2"), fact("created", "e3")]
    assert totals(activities_of(facts, ZONE)) == {}


def test_a_refund_waits_for_its_payment_and_lands_on_the_payments_day() -> None:
    parked = activities_of([fact("refunded", "e2", hours=48, amount=30)], ZONE)
    settled, refunded = activities_of(
        [fact("refunded", "e2", hours=48, amount=30), fact("settled", "e1", amount=100)], ZONE
    )
    assert parked == []
    assert (settled.kind, settled.amount_minor, settled.refers_to) == ("settled", 100, None)
    assert (refunded.kind, refunded.amount_minor, refunded.on) == ("refunded", 30, settled.on)
    assert refunded.refers_to == settled.activity_id


def test_what_goes_back_beyond_what_was_paid_counts_nowhere_until_more_is_paid() -> None:
    payment = SourceObject(ZONE)
    payment.fold(fact("settled", amount=100))
    (back,) = payment.fold(fact("refunded", "e2", 1, 30))
    assert (back.amount_minor, payment.is_overdrawn) == (30, False)
    (back,) = payment.fold(fact("charged_back", "e3", 2, 100))
    assert (back.number, back.amount_minor, payment.is_overdrawn) == (1, 70, True)
    payment = SourceObject(ZONE, payment.standing)
    payment.fold(fact("settled", "e4", 3, 150))
    counted = {one.kind: one.contribution.amount_minor for one in payment.standing.effect}
    assert (counted, payment.is_overdrawn) == ({"settled": 150, "refunded": 130}, False)


def test_a_failure_takes_back_the_settlement_and_what_was_refunded_of_it() -> None:
    facts = [fact("settled"), fact("refunded", "e2", 1, 30), fact("failed", "e3", 2)]
    settled, refunded, unsettled, unrefunded = activities_of(facts, ZONE)
    assert (unsettled.kind, unsettled.number, unsettled.amount_minor) == ("settled", -1, -100)
    assert unsettled.refers_to == settled.activity_id
    assert (unrefunded.kind, unrefunded.number, unrefunded.amount_minor) == ("refunded", -1, -30)
    assert unrefunded.refers_to == refunded.activity_id


def test_a_corrected_amount_is_the_difference_on_the_same_day() -> None:
    settled, corrected = activities_of([fact("settled"), fact("settled", "e2", 1, 70)], ZONE)
    assert (corrected.number, corrected.amount_minor) == (0, -30)
    assert corrected.on == settled.on
    assert corrected.refers_to == settled.activity_id


def test_a_rescheduled_booking_moves_and_refers_to_the_one_that_it_replaces() -> None:
    first, gone, moved = activities_of([fact("created"), fact("rescheduled", "e2", 3)], ZONE)
    assert (gone.number, moved.number) == (-1, 1)
    assert gone.refers_to == moved.refers_to == first.activity_id
    assert moved.starts_at == NOON + timedelta(days=3)


def test_other_codes_take_the_booking_back_and_say_it_anew() -> None:
    east, west = (("site", "east"),), (("site", "west"),)
    first, gone, moved = activities_of(
        [fact("created", codes=east), fact("created", "e2", codes=west)], ZONE
    )
    assert (first.attributes, gone.attributes, moved.attributes) == (east, east, west)
    assert [gone.number, moved.number] == [-1, 1]
    assert gone.refers_to == moved.refers_to == first.activity_id


def test_an_event_without_a_code_keeps_the_one_that_is_known() -> None:
    codes = (("counsellor_id", "c-07"), ("site", "east"))
    moved = fact("rescheduled", "e2", 1, codes=(("site", "west"),))
    *_, completed = activities_of(
        [fact("completed", "e3", 2), fact("created", codes=codes), moved], ZONE
    )
    assert completed.kind == "completed"
    assert completed.attributes == (("counsellor_id", "c-07"), ("site", "west"))


def test_the_last_activity_of_a_fact_says_that_it_is() -> None:
    facts = [fact("created"), fact("completed", "e2", 30)]
    owner = ActivityOwner("lakeside", "c1", 1, "Asia/Shanghai", "CNY")
    deltas = activities_of(facts, ZONE)
    activities = caused(facts[1], "o1", owner, deltas[1:], 2, NOON)
    assert [(each.sequence, each.is_last_of_cause) for each in activities] == [
        (2, False),
        (3, True),
    ]
    assert {each.cause for each in activities} == {("desk", "e2", "o1", False)}


def test_the_same_facts_give_the_same_ids() -> None:
    facts = [fact("settled"), fact("refunded", "e2", 1)]
    assert activities_of(facts, ZONE) == activities_of(facts, ZONE)


@given(facts=ANY_FACTS, seed=st.integers(0, 2**32))
def test_no_day_is_left_over_when_the_rules_of_the_zone_change(
    facts: list[SourceFact], seed: int
) -> None:
    """What an object counts for lies on one day, and it lies there once."""
    hours = random.Random(seed)
    kept, deltas = KeptObjects(), list[Delta]()
    for each in facts:
        deltas += kept.fold(each, timezone(timedelta(hours=hours.choice((-11, 0, 13))))).deltas
    left = {(kind, number, amount) for (kind, *_), (number, amount) in totals(deltas).items()}
    assert left == {(key[0], *net) for key, net in expected(facts).items()}


def test_what_was_published_is_taken_back_from_the_day_on_which_it_stands() -> None:
    """By the rules that hold since then, the booked hour lies a day later."""
    before, since = timezone(timedelta(hours=8)), timezone(timedelta(hours=13))
    booking, payment = SourceObject(before), SourceObject(before)
    (booked,) = booking.fold(fact("created"))
    (settled,) = payment.fold(fact("settled"))
    gone, completed = SourceObject(since, booking.standing).fold(fact("completed", "e2", -20))
    (refunded,) = SourceObject(since, payment.standing).fold(fact("refunded", "e2", 1))
    assert {booked.on, gone.on, settled.on, refunded.on} == {date(2024, 2, 28)}
    assert (booked.number, gone.number, gone.refers_to) == (1, -1, booked.activity_id)
    (counted,) = SourceObject(since).fold(fact("created"))
    assert (counted.on, completed.on) == (date(2024, 2, 29), date(2024, 2, 28))


@given(facts=ANY_FACTS)
def test_a_standing_is_as_good_as_all_facts_before_it(facts: list[SourceFact]) -> None:
    kept, deltas = KeptObjects(), list[Delta]()
    for each in facts:
        deltas += kept.fold(each, ZONE).deltas
    assert deltas == activities_of(facts, ZONE)


def test_a_standing_grows_with_no_number_of_facts() -> None:
    payment = SourceObject(ZONE)
    payment.fold(fact("settled"))
    sizes = []
    for number in range(3):
        payment.fold(fact("refunded", f"r{number}", hours=number))
        sizes.append(str(payment.standing).count(","))
    booking = SourceObject(ZONE)
    for number in range(3):
        booking.fold(fact("rescheduled", f"m{number}", hours=number, codes=(("site", "east"),)))
        sizes.append(str(booking.standing).count(","))
    assert sizes == [sizes[0]] * 3 + [sizes[3]] * 3
