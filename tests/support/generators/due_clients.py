"""Clients whom time moves while a workload goes on: each did something once, and falls on a day of
it. Nothing else is ever heard of them, so whatever is answered of them follows from that alone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_PAYMENTS
from tests.support.generators.workload import ONE_DAY, PRACTICES, EventKey, Practice, Sent, Workload

AMOUNT = 6_000
BOOKED_AHEAD = timedelta(days=20)


class Due(NamedTuple):
    """A client who falls on a day: out of all levels (a win-back is due), or by one level; some
    have a booking to come by then."""

    practice: Practice
    name: str
    falls_on: date
    is_lost: bool
    has_booking: bool


def with_due_clients(workload: Workload, first_day: int, last_day: int) -> Workload:
    """The workload with four clients more for each practice and day of these, one of each kind;
    their events are sent on the first day."""
    due = list(_clients(workload, first_day, last_day))
    documents = [document for client in due for document in _documents(client, workload)]
    places = range(len(documents))
    sent = [_sent(document, place) for document, place in zip(documents, places, strict=True)]
    return replace(
        workload,
        days=[workload.days[0] + sent, *workload.days[1:]],
        accepted=workload.accepted
        | {EventKey(d["practiceid"], d["source"], d["id"]): d for d in documents},
        clients=[*workload.clients, *((client.practice, client.name) for client in due)],
    )


def _clients(workload: Workload, first_day: int, last_day: int) -> Iterator[Due]:
    for practice in PRACTICES:
        for day in range(first_day, last_day + 1):
            for kind in range(4):
                on = workload.size.first_on + day * ONE_DAY
                lost, booked = bool(kind % 2), kind > 1
                yield Due(practice, f"due-{day}-{kind}", on, lost, booked)


def _documents(client: Due, workload: Workload) -> Iterator[dict[str, Any]]:
    """A visit and what was paid for it, a year or three months before the day before the fall."""
    last_day = client.falls_on - ONE_DAY
    months = 12 if client.is_lost else 3
    year, month = divmod(last_day.year * 12 + last_day.month - 1 - months, 12)
    visited_on = date(year, month + 1, min(last_day.day, 28))
    at = datetime.combine(visited_on, time(10), UTC)
    yield _document(client, "booking.completed", at, {"booking_id": f"{client.name}-b"})
    paid = {"payment_id": f"{client.name}-p", "amount_minor": AMOUNT}
    paid["currency"] = client.practice.currency
    yield _document(client, "payment.settled", at, paid)
    if client.has_booking:
        now = workload.noon(0).astimezone(UTC)
        starts_at = (now + BOOKED_AHEAD).isoformat()
        booking = {"booking_id": f"{client.name}-next", "starts_at": starts_at}
        yield _document(client, "booking.created", now, booking)


def _document(client: Due, kind: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{client.name}-{kind}",
        "source": client.practice.source,
        "type": f"rapport.{kind}.v1",
        "practiceid": client.practice.practice_id,
        "subject": client.name,
        "time": at.isoformat(),
        "data": data,
    }


def _sent(document: dict[str, Any], place: int) -> Sent:
    topic = SOURCE_BOOKINGS if ".booking." in document["type"] else SOURCE_PAYMENTS
    key, value = document["subject"].encode(), json.dumps(document).encode()
    return Sent(topic.name, place % topic.partitions, key, value)
