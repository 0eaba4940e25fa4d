"""Facts about a client: signed differences, one for each activity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

SIGNALS: Final = frozenset(
    {
        "consulted",
        "visited",
        "enquired",
        "referral_made",
        "referral_converted",
        "engaged",
        "need_noted",
        "case_opened",
        "case_closed",
        "arrears_opened",
        "arrears_cleared",
        "need_consent_given",
        "need_consent_withdrawn",
        "override_begun",
        "override_ended",
        "neutral_begun",
        "neutral_ended",
    }
)
"""The kinds of activity that other systems' signals cause (ADR 52)."""
KNOWN_KINDS: Final = SIGNALS | frozenset(
    {
        "registered",
        "requested",
        "booked",
        "completed",
        "no_show",
        "cancelled",
        "settled",
        "refunded",
    }
)
"""The kinds of activity that scoring folds. Of another one it keeps the sequence alone."""


class FactRefused(ValueError):
    """A fact that does not fit its client; only its sender can put it right."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(slots=True)
class Fact:
    """One activity of one client.

    It is never changed, but not frozen: a frozen one takes three times as long to make, and one is
    made for every record.

    `kind` is one of `KNOWN_KINDS`. `count` and `amount_minor` are signed differences that land on
    the practice-local day `on`; a correction carries the difference and `refers_to` the older
    activity. A refund is positive in `refunded`. `sequence` is gapless from 1 within a
    `generation`; `incarnation` is that of the database that gave it out. `backfill` says that its
    sender reported it as history. `source` and `cause_id` name the source event that caused it, and
    `is_last_of_cause` says that no further activity of this client follows from that event.
    `object_id` names the booking, payment or signal, `attributes` are its codes; `starts_at` is the
    hour of a booking, `cancelled_by` and `cancelled_at` are those of `cancelled`. Instants are
    aware UTC.
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
    incarnation: str | None = None
    backfill: bool = False
    source: str | None = None
    cause_id: str | None = None
    is_last_of_cause: bool = True
    object_id: str | None = None
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    starts_at: datetime | None = None
    cancelled_by: str | None = None
    cancelled_at: datetime | None = None


@dataclass(slots=True)
class Skipped:
    """A record of one client's sequence that says nothing that scoring knows: an activity of an
    unknown kind, or an event of an unknown type. Its cause is as in `Fact`."""

    generation: int
    sequence: int
    incarnation: str | None = None
    source: str | None = None
    cause_id: str | None = None
    is_last_of_cause: bool = True


@dataclass(slots=True)
class Opening:
    """A record that says that a client's facts are said anew, as another generation: so many of
    them, by sequence from 1 on, replace what was before. `reason` may be a word that this version
    does not know."""

    generation: int
    facts: int
    reason: str
    opened_at: datetime


@dataclass(slots=True)
class TimePassed:
    """A watermark that stands between two records of a client, or before the first."""


Numbered = Fact | Skipped
"""What one record adds to a client's sequence."""
ClientRecord = Numbered | Opening | TimePassed
"""What one record says of a client."""
