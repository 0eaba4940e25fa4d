"""Events of all kinds about a few bookings and payments of two clients and of those who pay for
them, in any order of arrival.

Seeded: the same seed gives the same histories.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

NOON = datetime(2024, 2, 28, 12, tzinfo=UTC)
ZONE, CURRENCY = "Asia/Shanghai", "CNY"
Document = dict[str, Any]

BOOKINGS = ("b1", "b2", "b3", "b4")
OF_THE_OTHER = "b5"
"""A booking of the other client, which is not part of the chains."""
SINGLY, AS_A_TOTAL, OF_ANOTHER, OF_NOBODY = "p1", "p2", "p3", "p4"
"""The payment whose refunds are told one by one, the one of which totals are told, one that names
who paid as its client, and one that names no client, but who paid."""
SUBJECTS = {OF_THE_OTHER: "li-na", OF_ANOTHER: "her-mother", OF_NOBODY: None}
"""The client of each; that of the others is Wang Fang."""

HOURS = (0, 0, 1, 2, 3, 9, 30, 54)
"""After noon: many coincide, some are on other days."""
BOOKED = ("created", "rescheduled")
MONEY = frozenset({"settled", "refunded", "refunded_total", "charged_back"})
NAMED = {
    "refunded": "refund_id",
    "refund_failed": "refund_id",
    "charged_back": "chargeback_id",
    "chargeback_reversed": "chargeback_id",
}

_IDS = frozenset(
    {"booking_id", "replaces", "payment_id", "refund_id", "chargeback_id", "package_id"}
)


class History(NamedTuple):
    """Events in their order of arrival, by batch; some come more than once."""

    batches: list[list[Document]]


def histories(seed: int, number: int) -> Iterator[History]:
    """So many random histories."""
    chance = random.Random(f"source histories/{seed}")
    for _ in range(number):
        yield history(chance)


def history(chance: random.Random) -> History:
    """Up to twelve events in any order and in any batches, some of them again."""
    said = _events(chance)
    arrival = said + [each for each in said if chance.random() < 0.2]
    chance.shuffle(arrival)
    batches: list[list[Document]] = []
    while arrival:
        taken = chance.randint(1, len(arrival))
        batches.append(arrival[:taken])
        arrival = arrival[taken:]
    return History(batches)


def of_client(document: Document, client: str) -> Document:
    """The same event of one client alone, about bookings, payments and packages of its own, which
    nobody else pays."""
    data = {
        name: f"{client}-{told}" if name in _IDS else told
        for name, told in document["data"].items()
        if name != "payer"
    }
    return {**document, "id": f"{client}-{document['id']}", "subject": client, "data": data}


def _events(chance: random.Random) -> list[Document]:
    """Events with an id each."""
    said = [chance.choice((_booking, _payment))(chance) for _ in range(chance.randint(1, 12))]
    return [
        _subject_of(data)
        | {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "desk",
            "type": f"rapport.{kind}.v1",
            "practiceid": "lakeside",
            "time": _instant(chance),
            "data": data,
        }
        for number, (kind, data) in enumerate(said)
    ]


def _subject_of(data: Document) -> Document:
    known = data.get("booking_id") or data.get("payment_id")
    subject = SUBJECTS.get(known, "wang-fang")
    return {} if subject is None else {"subject": subject}


def _instant(chance: random.Random) -> str:
    return (NOON + timedelta(hours=chance.choice(HOURS))).isoformat()


def _booking(chance: random.Random) -> tuple[str, Document]:
    verbs = ("requested", *BOOKED, *BOOKED, "cancelled", "cancelled", "completed", "no_show")
    verb = chance.choice(verbs)
    data: Document = {"booking_id": chance.choice((*BOOKINGS, OF_THE_OTHER))}
    if verb in BOOKED or (verb == "requested" and _perhaps(chance)):
        data["starts_at"] = _instant(chance)
    if verb in BOOKED and data["booking_id"] in BOOKINGS and _perhaps(chance):
        data["replaces"] = chance.choice([each for each in BOOKINGS if each != data["booking_id"]])
    if verb == "cancelled" and _perhaps(chance):
        data["cancelled_by"] = chance.choice(("client", "counsellor", "system"))
        if _perhaps(chance):
            data["cancelled_at"] = _instant(chance)
    if verb == "completed" and _perhaps(chance):
        data["assumed"] = chance.choice((True, True, False))
    for code in ("site", "package_id"):
        if chance.random() < 0.25:
            data[code] = chance.choice("xy")
    return f"booking.{verb}", data


def _payment(chance: random.Random) -> tuple[str, Document]:
    whose = chance.choice((SINGLY, SINGLY, AS_A_TOTAL, OF_ANOTHER, OF_NOBODY))
    ways = ("refunded_total",) if whose == AS_A_TOTAL else ("refunded", "refunded", "refund_failed")
    back = ("charged_back", "charged_back", "chargeback_reversed")
    verb = chance.choice(("settled", "settled", "failed", *back, *ways))
    data: Document = {"payment_id": whose}
    if verb in MONEY:
        data |= {"amount_minor": 100 * chance.randint(0, 3), "currency": CURRENCY}
    if verb in NAMED and (verb not in MONEY or _perhaps(chance)):
        data[NAMED[verb]] = chance.choice(("e0", "e1", "r1", "r2"))
    if verb == "settled" and _perhaps(chance):
        data |= {"product": "package", "package_id": chance.choice("xy"), "units": 10}
    if verb == "refunded" and _perhaps(chance):
        data["units"] = chance.randint(1, 3)
    if verb == "settled" and (whose == OF_NOBODY or _perhaps(chance)):
        data["payer"] = "her-mother"
    return f"payment.{verb}", data


def _perhaps(chance: random.Random) -> bool:
    return chance.random() < 0.5
