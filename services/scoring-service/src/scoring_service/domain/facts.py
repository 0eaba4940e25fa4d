"""Facts about a client: signed differences, one for each activity."""

from dataclasses import dataclass
from datetime import date, datetime

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)


class FactRefused(ValueError):
    """A fact that can never be folded; only its sender can put it right."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(slots=True)
class Fact:
    """One activity of one client.

    It is never changed, but not frozen: a frozen one takes three times as long to make, and one is
    made for every record.

    `kind` is registered | booked | completed | no_show | settled | refunded. `count` and
    `amount_minor` are signed differences that land on the practice-local day `on`; a correction
    carries the difference and `refers_to` the older activity. A refund is positive in `refunded`.
    `sequence` is gapless from 1 within a `generation`. Instants are aware UTC.
    """

    activity_id: str
    generation: int
    sequence: int
    kind: str
    on: date
    zone: str
    count: int
    amount_minor: int
    occurred_at: datetime
    accepted_at: datetime
    refers_to: str | None = None
