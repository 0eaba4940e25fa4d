"""What webhooks come to in the end: through their adapters and ingestion, in any order, twice."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, advance_clock, register_practice
from ingestion_service.parked_facts import ParkedFacts
from ingestion_service.translate import fact_of
from rapport_adapters.catalogue import ADAPTERS
from tests.support.memory.ingestion import MemoryStores
from tests.unit.rapport_adapters.senders import (
    CALCOM,
    PRACTICE,
    STRIPE,
    sample,
    sealed,
    wechat_settings,
)

LATER = datetime(2026, 7, 1, tzinfo=UTC)
NEW_UID = "Hn7cF3yUe9GtKq5WxJ2sMo"


class Source(NamedTuple):
    """A source of the practice, and its webhooks by name."""

    system: str
    settings: Any
    currency: str
    bodies: dict[str, bytes]

    def counts(self, names: list[str]) -> dict[str, int]:
        """What its webhooks come to, in this order: visits by number, payments by amount."""
        stores = MemoryStores(is_simulated=True)
        practice = Practice(PRACTICE, "Lantern Harbour", "Europe/London", self.currency)
        with stores.open_for_operator() as store:
            register_practice(practice, store)
            advance_clock(LATER, store)
        for name in names:
            told = ADAPTERS[self.system].read(self.bodies[name], self.settings)
            with stores.transaction() as tables:
                results = accept([fact_of(each) for each in told.events], stores.within(tables))
            assert "rejected" not in [each.status for each in results]
            ParkedFacts(stores, lambda _tx, _letters: None).run()
        sums = Counter[str]()
        for activity in stores.tables.published:
            delta = activity.delta
            is_money = delta.kind in {"settled", "refunded"}
            sums[delta.kind] += delta.amount_minor if is_money else delta.number
        return {kind: number for kind, number in sums.items() if number and kind != "registered"}


def of_the_new_booking(name: str) -> bytes:
    """A sample about the booking to which the first was moved, an hour after its end."""
    document = json.loads(sample("calcom", name))
    if name == "ended":
        document |= {"uid": NEW_UID, "endTime": "2026-05-14T13:50:00.000Z"}
    else:
        document["payload"]["bookingUid"] = NEW_UID
        document["createdAt"] = f"2026-05-14T1{4 + (name == 'mark-taken-off')}:50:00.000Z"
    return json.dumps(document).encode()


BOOKINGS = Source(
    "calcom",
    CALCOM,
    "GBP",
    {
        "booked": sample("calcom", "created"),
        "moved": sample("calcom", "moved"),
        "ended": of_the_new_booking("ended"),
        "marked": of_the_new_booking("marked-as-no-show"),
        "unmarked": of_the_new_booking("mark-taken-off"),
    },
)
MONEY = [
    "payment-succeeded",
    "charge-of-a-payment",
    "refund-pending",
    "refund-created",
    "refund-updated",
    "charge-refunded-in-all",
    "dispute-inquiry",
    "dispute-created",
    "dispute-money-withdrawn",
    "dispute-won",
    "dispute-money-reinstated",
]
PAYMENTS = Source(
    "stripe",
    STRIPE,
    "GBP",
    {name: sample("stripe", name) for name in [*MONEY, "refund-failed", "dispute-lost"]},
)
NOTICES = Source(
    "wechat_pay",
    wechat_settings(),
    "CNY",
    {name: sealed(name) for name in ("payment", "refund", "refund-closed")},
)
ANY_ORDER = settings(max_examples=30)


@ANY_ORDER
@given(st.permutations(["booked", "moved", "ended"] * 2))
def test_a_booking_that_was_moved_is_one_visit(names: list[str]) -> None:
    assert BOOKINGS.counts(names) == {"completed": 1}


@ANY_ORDER
@given(st.permutations(["booked", "moved", "ended", "marked"] * 2))
def test_a_mark_of_no_show_replaces_the_assumed_visit(names: list[str]) -> None:
    assert BOOKINGS.counts(names) == {"no_show": 1}


@ANY_ORDER
@given(st.permutations(list(BOOKINGS.bodies)))
def test_a_mark_that_was_taken_off_is_a_visit(names: list[str]) -> None:
    assert BOOKINGS.counts(names) == {"completed": 1}


@ANY_ORDER
@given(st.permutations([*MONEY, *MONEY[:5]]))
def test_a_dispute_that_was_won_leaves_the_refund_alone(names: list[str]) -> None:
    assert PAYMENTS.counts(names) == {"settled": 9000, "refunded": 2500}


@ANY_ORDER
@given(st.permutations([*MONEY, "refund-failed"]))
def test_a_refund_that_failed_leaves_the_payment_whole(names: list[str]) -> None:
    assert PAYMENTS.counts(names) == {"settled": 9000}


@ANY_ORDER
@given(st.permutations([*MONEY, "refund-failed", "dispute-lost"]))
def test_a_dispute_that_was_won_and_then_lost_takes_the_payment(names: list[str]) -> None:
    assert PAYMENTS.counts(names) == {"settled": 9000, "refunded": 9000}


@ANY_ORDER
@given(st.permutations(["payment", "refund"] * 2))
def test_a_refund_of_wechat_pay_finds_the_client_of_its_payment(names: list[str]) -> None:
    assert NOTICES.counts(names) == {"settled": 28_000, "refunded": 14_000}


@ANY_ORDER
@given(st.permutations(["payment", "refund", "refund-closed"]))
def test_a_refund_of_wechat_pay_that_was_closed_counts_no_longer(names: list[str]) -> None:
    assert NOTICES.counts(names) == {"settled": 28_000}
