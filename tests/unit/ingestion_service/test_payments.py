"""What a payment's events come to: refunds and chargebacks taken back, totals, packages."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from ingestion_service.domain.facts import Attributes, Details, SourceFact, SourceKind
from tests.support.harness.activities import KeptObjects
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import fact

ZONE = ZoneInfo("Asia/Shanghai")
Left = tuple[str, date, Attributes, int, int]


def paid(
    kind: SourceKind, event_id: str, hours: float, amount: int = 0, part: str | None = None
) -> SourceFact:
    """A fact about one payment, so many hours after noon."""
    return fact(
        kind,
        event_id,
        occurred_at=NOON + timedelta(hours=hours),
        amount_minor=amount or None,
        details=Details(part_id=part),
    )


def left(facts: Sequence[SourceFact]) -> list[Left]:
    """What is left of all deltas: kind, day, codes, number and amount."""
    kept = KeptObjects()
    sums: dict[tuple[str, date, Attributes], tuple[int, int]] = {}
    for each in facts:
        for delta in kept.fold(each, ZONE).deltas:
            key = (delta.kind, delta.on, delta.attributes)
            number, amount = sums.get(key, (0, 0))
            sums[key] = (number + delta.number, amount + delta.amount_minor)
    return sorted((*key, *sum_) for key, sum_ in sums.items() if any(sum_))


def in_any_order(*facts: SourceFact) -> dict[str, tuple[int, int]]:
    """Number and amount of each kind, in whatever order the facts come."""
    (only,) = {tuple(left(each)) for each in permutations(facts)}
    return {kind: (number, amount) for kind, _, _, number, amount in only}


SETTLED = paid("settled", "e1", 0, 1000)


def test_a_refund_that_failed_counts_no_longer() -> None:
    back, failed = paid("refunded", "r1", 1, 300), paid("refund_failed", "e3", 2, part="r1")
    assert in_any_order(SETTLED, back) == {"settled": (1, 1000), "refunded": (1, 300)}
    assert in_any_order(SETTLED, back, failed) == {"settled": (1, 1000)}
    again = paid("refunded", "e4", 3, 300, part="r1")
    assert in_any_order(SETTLED, back, failed, again)["refunded"] == (1, 300)
    other = paid("refunded", "r2", 1, 200)
    assert in_any_order(SETTLED, back, other, failed)["refunded"] == (1, 200)


def test_a_refund_that_is_told_again_counts_once() -> None:
    first, again = paid("refunded", "e2", 1, 300, "r1"), paid("refunded", "e3", 2, 400, "r1")
    assert in_any_order(SETTLED, first, again)["refunded"] == (1, 400)


@pytest.mark.parametrize(("events", "counts"), [(1, True), (2, False), (3, True), (4, False)])
def test_a_dispute_that_is_lost_and_won_in_turn_ends_right(events: int, *, counts: bool) -> None:
    turns: tuple[SourceKind, ...] = ("charged_back", "chargeback_reversed")
    facts = [
        paid(turns[n % 2], f"e{n + 2}", n, 0 if n % 2 else 1000, "dispute") for n in range(events)
    ]
    found = in_any_order(SETTLED, *facts)
    assert ("refunded" in found) is counts


def test_of_one_instant_the_one_that_takes_back_counts_last() -> None:
    lost = paid("charged_back", "z", 1, 500, "dispute")
    won = paid("chargeback_reversed", "a", 1, part="dispute")
    assert in_any_order(SETTLED, lost, won) == {"settled": (1, 1000)}


def test_of_totals_the_latest_holds() -> None:
    first, second = paid("refunded_total", "e2", 1, 300), paid("refunded_total", "e3", 2, 500)
    assert in_any_order(SETTLED, first, second)["refunded"] == (1, 500)
    none_left = paid("refunded_total", "e4", 3)._replace(amount_minor=0)
    assert "refunded" not in in_any_order(SETTLED, first, second, none_left)
    lost = paid("charged_back", "e5", 3, 200)
    assert in_any_order(SETTLED, first, second, lost)["refunded"] == (2, 700)


def test_a_settlement_that_is_told_again_moves_no_day() -> None:
    months_later = paid("settled", "e2", 24 * 90, 1000)
    (only,) = {tuple(left(each)) for each in permutations((SETTLED, months_later))}
    assert only == (("settled", date(2024, 6, 1), (), 1, 1000),)
    other_amount = months_later._replace(amount_minor=900)
    (only,) = {tuple(left(each)) for each in permutations((SETTLED, other_amount))}
    assert only == (("settled", date(2024, 6, 1), (), 1, 900),)


def test_money_that_came_after_a_failure_is_new() -> None:
    facts = SETTLED, paid("failed", "e2", 48), paid("settled", "e3", 96, 1000)
    (only,) = {tuple(left(each)) for each in permutations(facts)}
    assert only == (("settled", date(2024, 6, 5), (), 1, 1000),)


def test_hours_of_a_package_go_back_by_count() -> None:
    package: Attributes = (("package_id", "ten"), ("product", "package"), ("units", 10))
    bought = SETTLED._replace(attributes=package)
    some = paid("refunded", "r1", 1, 300)._replace(attributes=(("units", 3),))
    more = paid("refunded", "r2", 2, 100)._replace(attributes=(("units", 1),))
    on = date(2024, 6, 1)
    assert left([bought, some, more]) == [
        ("refunded", on, (("package_id", "ten"), ("units", 4)), 2, 400),
        ("settled", on, package, 1, 1000),
    ]
    failed = paid("refund_failed", "e9", 3, part="r1")
    assert left([failed, more, some, bought])[0][2] == (("package_id", "ten"), ("units", 1))


def test_refunds_of_two_payments_are_two_whatever_their_ids() -> None:
    one, other = paid("refunded", "e", 1, 1, "23"), paid("refunded", "e", 1, 1, "3")
    keys = {
        one._replace(external_object_id="1").part_key,
        other._replace(external_object_id="12").part_key,
    }
    assert len(keys) == 2
