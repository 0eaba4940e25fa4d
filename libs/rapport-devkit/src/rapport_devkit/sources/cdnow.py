"""The CDNOW sample as a practice's history: each purchase is a session, completed and paid."""

import gzip
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from importlib.resources import files
from zoneinfo import ZoneInfo

from rapport_contracts.source import SourceEvent
from rapport_devkit.sources.dataset import Dataset, by_day
from rapport_files.events import Happening, Origin

CURRENCY = "USD"
HOUR = time(10)
"""The local time of every purchase, since the file has only the day; it is before noon, when each
day of a replay is read."""


def read_cdnow(origin: Origin) -> Dataset:
    """The committed sample: 6,919 purchases, 13,838 events (`data/PROVENANCE.md`)."""
    packed = (files("rapport_devkit") / "data" / "cdnow-sample.txt.gz").read_bytes()
    rows = gzip.decompress(packed).decode("ascii").splitlines()
    events = [
        event for number, row in enumerate(rows, 1) for event in purchase(number, row, origin)
    ]
    return Dataset(title="CDNOW sample", currency=CURRENCY, days=by_day(events, origin.zone))


def purchase(number: int, row: str, origin: Origin) -> Iterator[SourceEvent]:
    """One row: a completed booking, then a settled payment; their ids come from the line number.

    The sample has 21 identical rows, so nothing in a row could tell two purchases apart.
    """
    _master, client, day, _quantity, dollars = row.split()
    at = datetime.combine(date.fromisoformat(day), HOUR, ZoneInfo(origin.zone))
    paid = {"amount_minor": int(Decimal(dollars) * 100), "currency": CURRENCY}
    yield Happening(
        event_id=f"line-{number}-completed",
        client=f"cdnow-{client}",
        kind="booking.completed",
        at=at,
        data={"booking_id": f"booking-{number}"},
    ).event(origin)
    yield Happening(
        event_id=f"line-{number}-settled",
        client=f"cdnow-{client}",
        kind="payment.settled",
        at=at,
        data={"payment_id": f"payment-{number}", **paid},
    ).event(origin)
