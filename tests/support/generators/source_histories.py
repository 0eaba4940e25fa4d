"""Events of all kinds about a few bookings and payments of one client, in any order of arrival."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

NOON = datetime(2024, 2, 28, 12, tzinfo=UTC)
ZONE, CURRENCY = "Asia/Shanghai", "CNY"
Document = dict[str, Any]

BOOKINGS = ("b1", "b2", "b3", "b4")
SINGLY, AS_A_TOTAL = "p1", "p2"
"""The payment whose refunds are told one by one, and the one of which totals are told."""

HOURS = st.sampled_from([0, 0, 1, 2, 3, 9, 30, 54])
"""After noon: many coincide, some are on other days."""
BOOKED = ("created", "rescheduled")
MONEY = frozenset({"settled", "refunded", "refunded_total", "charged_back"})
NAMED = {
    "refunded": "refund_id",
    "refund_failed": "refund_id",
    "charged_back": "chargeback_id",
    "chargeback_reversed": "chargeback_id",
}


class History(NamedTuple):
    """Events in their order of arrival, by batch; some come more than once."""

    batches: list[list[Document]]


def _instant(hours: int) -> str:
    return (NOON + timedelta(hours=hours)).isoformat()


@st.composite
def _booking(draw: st.DrawFn) -> tuple[str, Document]:
    verbs = ("requested", *BOOKED, *BOOKED, "cancelled", "cancelled", "completed", "no_show")
    verb = draw(st.sampled_from(verbs))
    data: Document = {"booking_id": draw(st.sampled_from(BOOKINGS))}
    if verb in BOOKED or (verb == "requested" and draw(st.booleans())):
        data["starts_at"] = _instant(draw(HOURS))
    if verb in BOOKED and draw(st.booleans()):
        data["replaces"] = draw(st.sampled_from([b for b in BOOKINGS if b != data["booking_id"]]))
    if verb == "cancelled" and draw(st.booleans()):
        data["cancelled_by"] = draw(st.sampled_from(("client", "counsellor", "system")))
        if draw(st.booleans()):
            data["cancelled_at"] = _instant(draw(HOURS))
    if verb == "completed" and draw(st.booleans()):
        data["assumed"] = draw(st.sampled_from((True, True, False)))
    for code in ("site", "package_id"):
        if draw(st.integers(0, 3)) == 0:
            data[code] = draw(st.sampled_from("xy"))
    return f"booking.{verb}", data


@st.composite
def _payment(draw: st.DrawFn) -> tuple[str, Document]:
    whose = draw(st.sampled_from((SINGLY, SINGLY, AS_A_TOTAL)))
    ways = ("refunded_total",) if whose == AS_A_TOTAL else ("refunded", "refunded", "refund_failed")
    back = ("charged_back", "charged_back", "chargeback_reversed")
    verb = draw(st.sampled_from(("settled", "settled", "failed", *back, *ways)))
    data: Document = {"payment_id": whose}
    if verb in MONEY:
        data |= {"amount_minor": 100 * draw(st.integers(0, 3)), "currency": CURRENCY}
    if verb in NAMED and (verb not in MONEY or draw(st.booleans())):
        data[NAMED[verb]] = draw(st.sampled_from(("e0", "e1", "r1", "r2")))
    if verb == "settled" and draw(st.booleans()):
        data |= {"product": "package", "package_id": draw(st.sampled_from("xy")), "units": 10}
    if verb == "refunded" and draw(st.booleans()):
        data["units"] = draw(st.integers(1, 3))
    if verb == "settled" and draw(st.booleans()):
        data["payer"] = "her-mother"
    return f"payment.{verb}", data


@st.composite
def events(draw: st.DrawFn) -> list[Document]:
    """Up to twelve events, each with an id of its own."""
    said = draw(st.lists(st.one_of(_booking(), _payment()), max_size=12))
    return [
        {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "desk",
            "type": f"rapport.{kind}.v1",
            "practiceid": "lakeside",
            "subject": "wang-fang",
            "time": _instant(draw(HOURS)),
            "data": data,
        }
        for number, (kind, data) in enumerate(said)
    ]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Events in any order and in any batches, some of them again."""
    said = draw(events())
    again = [each for each in said if draw(st.integers(0, 4)) == 0]
    arrival = draw(st.permutations([*said, *again]))
    batches: list[list[Document]] = []
    while arrival:
        taken = draw(st.integers(1, len(arrival)))
        batches.append(arrival[:taken])
        arrival = arrival[taken:]
    return History(batches)
