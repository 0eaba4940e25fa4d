"""The demo's till: numbers of its own, and clients whose number is attached after their payment."""

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import pytest

from rapport_devkit.api_client import ApiClient
from rapport_devkit.sources.cdnow import purchase
from rapport_devkit.sources.dataset import Dataset, by_day
from rapport_devkit.till import TILL, Numbers, number_of, told_by_till
from rapport_files.events import Happening, Origin

ORIGIN = Origin(practice_id="harbour", zone="Asia/Shanghai", source="desk")
FIRST, SECOND, THIRD = (date(1997, 1, day) for day in (1, 2, 3))


class Ingestion:
    """An API where some payments wait."""

    def __init__(self, parked: int) -> None:
        self.parked = parked
        self.attached: list[list[tuple[str, str]]] = []

    def get(self, path: str) -> Mapping[str, Any]:
        assert path == "/v1/sources"
        return {"items": [{"source": "desk", "parked": 0}, {"source": TILL, "parked": self.parked}]}

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        assert path == "/v1/clients"
        self.attached.append([(one["namespace"], one["external_id"]) for one in body["identities"]])


def dataset(*days: date) -> Dataset:
    """A purchase of one more client on each day."""
    events = [
        event
        for number, on in enumerate(days, 1)
        for event in purchase(number, f"1 {number:04d} {on:%Y%m%d} 1 9.99", ORIGIN)
    ]
    return Dataset(title="test", currency="USD", days=by_day(events, ORIGIN.zone))


def test_the_till_tells_payments_by_its_own_numbers_and_the_desk_the_rest() -> None:
    booking, payment = purchase(1, "1 0001 19970101 1 9.99", ORIGIN)
    assert told_by_till(booking) == booking
    told = told_by_till(payment)
    assert (told.source, told.subject) == (TILL, number_of("cdnow-0001"))
    assert told.model_copy(update={"source": "desk", "subject": payment.subject}) == payment
    assert number_of("cdnow-0002") != told.subject


def test_who_pays_for_somebody_is_named_by_a_number_of_the_till_too() -> None:
    event = Happening(
        event_id="e1",
        client="bo",
        kind="payment.settled",
        at=dataset(FIRST).days[FIRST][0].time,
        data={"payment_id": "p1", "amount_minor": 1, "currency": "CNY", "payer": "ann"},
    ).event(ORIGIN)
    assert told_by_till(event).data.model_dump()["payer"] == number_of("ann")


def test_a_late_number_is_attached_at_the_noon_after_the_first_payment() -> None:
    numbers = Numbers(ORIGIN, dataset(FIRST, SECOND, THIRD))
    late, known = "cdnow-0001", "cdnow-0002"
    both = [("desk", late), (TILL, number_of(late))]
    assert numbers.late == 1
    assert numbers.known(late) == [{"namespace": "desk", "external_id": late}]
    assert len(numbers.known(known)) == 2
    ingestion = Ingestion(parked=3)
    for on in (FIRST, SECOND, THIRD):
        numbers.attach(cast("ApiClient", ingestion), on)
        assert ingestion.attached == ([] if on == FIRST else [both])
    assert numbers.waited == 3
    assert len(numbers.known(late)) == 2


@pytest.mark.parametrize("days", [(FIRST,), (SECOND, FIRST)])
def test_who_pays_on_the_last_day_is_known_before(days: tuple[date, ...]) -> None:
    assert Numbers(ORIGIN, dataset(*days)).late == 0
