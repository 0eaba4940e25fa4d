"""What is kept of a booking's or payment's facts, so that the next one needs no others.

Each part of it is the latest or the earliest fact of some kinds, or a sum: so it depends on the set
of the facts alone, never on the order in which they came (R8, ADR 45).
"""

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any, Literal, NamedTuple

from ingestion_service.domain.activities import ActivityKind
from ingestion_service.domain.facts import RANK, Attributes, CancelledBy, SourceKind

Order = tuple[datetime, int, str]
"""`SourceFact.order`."""
Place = tuple[date, datetime | None, Attributes, CancelledBy | None, datetime | None]


class Contribution(NamedTuple):
    """What a source object counts for under one kind of activity, of which it has at most one.

    `on` is the practice-local day, `starts_at` the hour of a booking, `number` a count.
    `cancelled_by` and `cancelled_at` are those of `cancelled`.
    """

    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int
    cancelled_by: CancelledBy | None = None
    cancelled_at: datetime | None = None

    @property
    def place(self) -> Place:
        """Where it counts: two contributions that differ in it never add up."""
        return (self.on, self.starts_at, self.attributes, self.cancelled_by, self.cancelled_at)

    def times(self, number: int, amount_minor: int) -> "Contribution":
        """Another number and amount at the same place."""
        return self._replace(number=number, amount_minor=amount_minor)


Effect = Mapping[ActivityKind, Contribution]


class KeptFact(NamedTuple):
    """What an effect needs of a fact. `on` is the practice-local day on which it counts, by the
    zone's rules of the time when it was accepted: what was published stays, whatever they become.
    """

    kind: SourceKind
    occurred_at: datetime
    event_id: str
    on: date
    starts_at: datetime | None
    amount_minor: int
    units: int = 0
    cancelled_by: CancelledBy | None = None
    cancelled_at: datetime | None = None

    @property
    def order(self) -> Order:
        """As `SourceFact.order`."""
        return (self.occurred_at, RANK[self.kind], self.event_id)

    def in_zone(self, zone: tzinfo) -> "KeptFact":
        """The same, on the day on which it counts in a zone."""
        counts_at = self.starts_at or self.cancelled_at or self.occurred_at
        return self._replace(on=counts_at.astimezone(zone).date())


class KeptCode(NamedTuple):
    """A code of a booking or payment, and the order of the fact that named it."""

    name: str
    code: str | int
    order: Order


class Counted(NamedTuple):
    """A contribution as it was published: under its kind, with the id of the activity that a later
    one takes back or corrects."""

    kind: ActivityKind
    contribution: Contribution
    activity_id: str


class Teller(NamedTuple):
    """A fact that names a package, and the client whom it names."""

    order: Order
    namespace: str
    external_id: str


class PackageStanding(NamedTuple):
    """What the facts that name a package come to: units that were bought and refunded, hours that
    were used; the earliest fact of a booking and the earliest settlement that name it; and the ids
    of the payments that do."""

    bought: int = 0
    used: int = 0
    refunded: int = 0
    hour: Teller | None = None
    purchase: Teller | None = None
    payments: tuple[str, ...] = ()


class Standing(NamedTuple):
    """All that a source object's next fact needs of the facts before it. Its size does not depend
    on their number. `effect` is what was published, `codes` has of each code the latest fact.

    Of a booking: the latest fact of each group of kinds (`last`: an outcome). `cancelled` is the
    latest cancellation of this very id. Where other ids have become part of it, `current` is the
    one of which it was last said that it was created or moved, None for its own, and
    `current_cancelled` the latest cancellation of that one. An id that is part of another booking
    keeps `cancelled`, and in `part_of` that booking; `joined` is how many ids are part of this one.

    Of a payment: the earliest and the latest settlement, the latest failure, number, sum and units
    of the refunds and chargebacks that stand, the latest total, and how its refunds are told; and,
    once it has counted for another client than whom its events name, in `counts_for` the namespace
    and external id of the one for whom it counts. Of a refund or a chargeback: `last`.

    `is_in_package`: its package has counted what it counts for. Of a package: `package` alone.
    """

    created: KeptFact | None = None
    last: KeptFact | None = None
    codes: tuple[KeptCode, ...] = ()
    settled: KeptFact | None = None
    failed: KeptFact | None = None
    refund_count: int = 0
    refunded_minor: int = 0
    effect: tuple[Counted, ...] = ()
    moved: KeptFact | None = None
    cancelled: KeptFact | None = None
    requested: KeptFact | None = None
    assumed: KeptFact | None = None
    part_of: str | None = None
    current: str | None = None
    current_cancelled: KeptFact | None = None
    first_settled: KeptFact | None = None
    refunded_total: KeptFact | None = None
    refunds_told: Literal["singly", "as a total"] | None = None
    refunded_units: int = 0
    joined: int = 0
    package: PackageStanding | None = None
    counts_for: tuple[str, str] | None = None
    is_in_package: bool = False

    @property
    def package_id(self) -> str | None:
        """The package that pays for this booking, or for which this payment was made."""
        return next((str(each.code) for each in self.codes if each.name == "package_id"), None)

    @property
    def attributes(self) -> Attributes:
        """The codes that hold."""
        if not self.codes:
            return ()
        return tuple(sorted((name, code) for name, code, _ in self.codes))


def in_zone(known: Standing, zone: tzinfo) -> Standing:
    """The same, on the days on which its facts count in a zone."""
    kept = {name: each for name, each in known._asdict().items() if isinstance(each, KeptFact)}
    days: dict[str, Any] = {name: each.in_zone(zone) for name, each in kept.items()}
    return known._replace(**days)


def latest(*facts: KeptFact | None) -> KeptFact | None:
    """The last of these facts by the source's time; None without any."""
    found: KeptFact | None = None
    for fact in facts:
        if fact is not None and (found is None or fact.order > found.order):
            found = fact
    return found


def with_codes(known: Standing, named: Attributes, order: Order) -> Standing:
    """With the codes that a fact names: later facts, by the source's time, replace the codes that
    they name and no others."""
    return known._replace(
        codes=latest_codes(known.codes, tuple(KeptCode(*each, order) for each in named))
    )


def latest_codes(one: tuple[KeptCode, ...], other: tuple[KeptCode, ...]) -> tuple[KeptCode, ...]:
    """Of each code the latest."""
    found = {code.name: code for code in one}
    for code in other:
        if code.name not in found or code.order > found[code.name].order:
            found[code.name] = code
    return tuple(found.values())
