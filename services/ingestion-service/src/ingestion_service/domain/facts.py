"""A source event in the domain's terms, and its order among the facts of one booking or payment."""

import hashlib
from datetime import datetime
from typing import Final, Literal, NamedTuple, NewType, get_args

PracticeId = NewType("PracticeId", str)
ClientId = NewType("ClientId", str)

SourceObjectKind = Literal[
    "booking", "payment", "refund", "chargeback", "package", "signal", "care", "statement"
]
"""A refund and a chargeback are parts of a payment, with a state of their own. No event is about a
package alone: bookings and payments name it. Of care are `care`, and a `statement` of consent,
which is one event."""
SignalKind = Literal[
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
]
"""What a signal says that is no care."""
CareKind = Literal[
    "survey_answered",
    "mood_reported",
    "complaint_opened",
    "complaint_closed",
    "risk_noted",
    "risk_cleared",
    "consent_given",
    "consent_withdrawn",
]
SourceKind = Literal[
    "requested",
    "created",
    "rescheduled",
    "assumed",
    "no_show",
    "completed",
    "cancelled",
    "settled",
    "refunded",
    "refunded_total",
    "refund_failed",
    "charged_back",
    "chargeback_reversed",
    "failed",
    "moved",
    "withdrawn",
    SignalKind,
    CareKind,
]
"""What a source event says. `assumed` is a completion that nobody reported; `withdrawn` takes a
signal back. `moved` is said by no source: a payment counts for another client because of an event
of another booking or payment (ADR 55)."""
CancelledBy = Literal["client", "counsellor", "system"]

RANK: Final[dict[SourceKind, int]] = {
    "requested": -2,
    "assumed": -1,
    "created": 0,
    "rescheduled": 1,
    "no_show": 2,
    "completed": 3,
    "cancelled": 4,
    "settled": 0,
    "refunded": 1,
    "charged_back": 2,
    "failed": 3,
    "refunded_total": 4,
    "refund_failed": 5,
    "chargeback_reversed": 6,
    **dict.fromkeys(get_args(SignalKind), 0),
    **dict.fromkeys(get_args(CareKind), 0),
    "referral_converted": 1,
    "case_closed": 1,
    "arrears_cleared": 1,
    "need_consent_withdrawn": 1,
    "override_ended": 1,
    "neutral_ended": 1,
    "complaint_closed": 1,
    "risk_cleared": 1,
    "withdrawn": 2,
}
"""The order of facts with the same instant: a correction comes after what it corrects."""
_OF_CARE: Final = frozenset({"care", "statement"})
OF_PAYMENTS: Final[frozenset[SourceKind]] = frozenset(
    {
        *("settled", "failed", "moved", "refunded", "refunded_total", "refund_failed"),
        *("charged_back", "chargeback_reversed"),
    }
)
"""The kinds that are about a payment."""

_PARTS: Final[dict[SourceKind, SourceObjectKind]] = {
    "refunded": "refund",
    "refund_failed": "refund",
    "charged_back": "chargeback",
    "chargeback_reversed": "chargeback",
}
"""The kinds that are about a part of a payment."""


class IdentityKey(NamedTuple):
    """How a client is named outside: an external id within a namespace. The same external id in
    two namespaces means two clients. The namespace of an event's client is the event's source."""

    practice_id: PracticeId
    namespace: str
    external_id: str


class EventKey(NamedTuple):
    """The identity of a source event: its id within its source and practice."""

    practice_id: PracticeId
    source: str
    event_id: str


class SourceObjectKey(NamedTuple):
    """The identity of one booking, payment or signal: the source's own id for it. No two clients
    share one: its first accepted event says whose it is. A part of a payment is named within it."""

    practice_id: PracticeId
    source: str
    kind: SourceObjectKind
    external_id: str


Attributes = tuple[tuple[str, str | int], ...]
"""A practice's own codes: (name, code), sorted by name, each name once; and `units`, a number."""


class Details(NamedTuple):
    """What few events say. `replaces` is the booking whose place this one takes, `part_id` the
    refund or chargeback that the event is about, `payer` who paid for the client, by the source's
    id."""

    replaces: str | None = None
    part_id: str | None = None
    cancelled_by: CancelledBy | None = None
    cancelled_at: datetime | None = None
    payer: str | None = None

    @property
    def texts(self) -> list[str]:
        """What is said, each with its name."""
        return [f"{name}={said}" for name, said in zip(self._fields, self, strict=True) if said]


NO_DETAILS: Final = Details()


class SourceFact(NamedTuple):
    """One source event. Instants are aware and in UTC, amounts are in minor units.

    `namespace` and `external_id` name its client; `external_id` is None where the source does not
    say whose the booking or payment is. `starts_at` is set for created and rescheduled,
    and may be for requested; `amount_minor` and `currency` are for settled, refunded,
    refunded_total and charged_back; for other kinds they are None. `attributes` are the codes that
    an event names, `backfill` says that its source reported it as history.
    """

    practice_id: PracticeId
    source: str
    event_id: str
    namespace: str
    external_id: str | None
    object_kind: SourceObjectKind
    external_object_id: str
    kind: SourceKind
    occurred_at: datetime
    starts_at: datetime | None = None
    amount_minor: int | None = None
    currency: str | None = None
    attributes: Attributes = ()
    backfill: bool = False
    details: Details = NO_DETAILS

    @property
    def event_key(self) -> EventKey:
        """The identity of the event."""
        return EventKey(self.practice_id, self.source, self.event_id)

    @property
    def identity(self) -> IdentityKey | None:
        """How the event names its client; None where it does not."""
        if self.external_id is None:
            return None
        return IdentityKey(self.practice_id, self.namespace, self.external_id)

    @property
    def payer(self) -> IdentityKey | None:
        """Who paid, where the event says so."""
        if self.details.payer is None:
            return None
        return IdentityKey(self.practice_id, self.namespace, self.details.payer)

    @property
    def claimant(self) -> IdentityKey | None:
        """Whose it is as far as the event says: of the client whom it names, else of who paid."""
        return self.identity or self.payer

    @property
    def client(self) -> IdentityKey:
        """The client whom it names, or to whom it was found to belong. Raises ValueError for a fact
        that names none."""
        if self.identity is None:
            msg = "a fact without a client waits until its booking or payment is known"
            raise ValueError(msg)
        return self.identity

    @property
    def is_care(self) -> bool:
        """Whether it is of care, and counts for no tier."""
        return self.object_kind in _OF_CARE

    @property
    def object_key(self) -> SourceObjectKey:
        """The booking or payment that the event is about."""
        return SourceObjectKey(
            self.practice_id, self.source, self.object_kind, self.external_object_id
        )

    @property
    def part_key(self) -> SourceObjectKey | None:
        """The part of the payment that the event is about: a refund or a chargeback. One without an
        id of its own has that of the event that told of it."""
        kind = _PARTS.get(self.kind)
        if kind is None:
            return None
        whole, part = self.external_object_id, self.details.part_id or self.event_id
        # With the length of the first id, no two pairs of ids make the same text.
        return SourceObjectKey(self.practice_id, self.source, kind, f"{len(whole)}:{whole}{part}")

    @property
    def replaced_key(self) -> SourceObjectKey | None:
        """The booking whose place this one takes."""
        if self.details.replaces is None:
            return None
        return self.object_key._replace(external_id=self.details.replaces)

    @property
    def package_key(self) -> SourceObjectKey | None:
        """The package or voucher that a booking's event or a settlement names."""
        if self.object_kind != "booking" and self.kind != "settled":
            return None
        package_id = next((code for name, code in self.attributes if name == "package_id"), None)
        if package_id is None:
            return None
        return SourceObjectKey(self.practice_id, self.source, "package", str(package_id))

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Sorts the facts of one source object by the source's time, never by arrival."""
        return (self.occurred_at, RANK[self.kind], self.event_id)

    @property
    def content_hash(self) -> bytes:
        """16 bytes; two facts that differ in what happened have different ones. The namespace is no
        content: it follows from the source. Nor is `backfill`: a source may send as history what it
        has sent before."""
        fields = "\x00".join(
            (
                self.practice_id,
                self.source,
                self.event_id,
                self.external_id or "",
                self.object_kind,
                self.external_object_id,
                self.kind,
                self.occurred_at.isoformat(),
                "" if self.starts_at is None else self.starts_at.isoformat(),
                "" if self.amount_minor is None else str(self.amount_minor),
                self.currency or "",
                *(str(text) for attribute in self.attributes for text in attribute),
                *(() if self.details is NO_DETAILS else self.details.texts),
            )
        )
        return hashlib.blake2b(fields.encode(), digest_size=16).digest()
