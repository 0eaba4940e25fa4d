"""What a source said about one booking or payment, and where it stands among the other facts."""

import hashlib
from datetime import datetime
from typing import Final, Literal, NamedTuple, NewType

PracticeId = NewType("PracticeId", str)
ClientId = NewType("ClientId", str)

SourceObjectKind = Literal["booking", "payment"]
SourceKind = Literal[
    "created",
    "rescheduled",
    "no_show",
    "completed",
    "cancelled",
    "settled",
    "refunded",
    "charged_back",
    "failed",
]

RANK: Final[dict[SourceKind, int]] = {
    "created": 0,
    "rescheduled": 1,
    "no_show": 2,
    "completed": 3,
    "cancelled": 4,
    "settled": 0,
    "refunded": 1,
    "charged_back": 2,
    "failed": 3,
}
"""Who has the last word among facts of one instant: what takes back comes after what it takes."""


class IdentityKey(NamedTuple):
    """How a source knows a client. The same words of two sources mean two people."""

    practice_id: PracticeId
    source: str
    external_id: str


class EventKey(NamedTuple):
    """What makes a source event the same event: its id within its source and practice."""

    practice_id: PracticeId
    source: str
    event_id: str


class SourceObjectKey(NamedTuple):
    """One booking or payment: the source's own id for it, within the client."""

    practice_id: PracticeId
    client_id: ClientId
    source: str
    object_kind: SourceObjectKind
    object_id: str


class SourceFact(NamedTuple):
    """One source event in the domain's words. Instants are aware UTC, amounts minor units.

    `starts_at` belongs to created and rescheduled, `amount_minor` and `currency` to settled,
    refunded and charged_back; elsewhere they are None.
    """

    practice_id: PracticeId
    source: str
    event_id: str
    external_id: str
    object_kind: SourceObjectKind
    object_id: str
    kind: SourceKind
    occurred_at: datetime
    starts_at: datetime | None = None
    amount_minor: int | None = None
    currency: str | None = None

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Its place among the facts of its source object: by its own time, never by its arrival."""
        return (self.occurred_at, RANK[self.kind], self.event_id)

    @property
    def content_hash(self) -> bytes:
        """16 bytes that differ when anything that the fact says differs (ARCHITECTURE §5)."""
        words = "\x00".join(
            (
                self.practice_id,
                self.source,
                self.event_id,
                self.external_id,
                self.object_kind,
                self.object_id,
                self.kind,
                self.occurred_at.isoformat(),
                "" if self.starts_at is None else self.starts_at.isoformat(),
                "" if self.amount_minor is None else str(self.amount_minor),
                self.currency or "",
            )
        )
        return hashlib.blake2b(words.encode(), digest_size=16).digest()
