"""What a booking or payment counts for (its effect), and the deltas by which a fact changes that.

The effect of a set of facts does not depend on the order in which they arrived: facts are ordered
by the source's time (R8). A new fact causes the difference between the effect after it and the
effect that was published before it, so the sum of all deltas is always the effect.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo
from typing import Final, NamedTuple

from ingestion_service.domain.activities import ActivityKind, Delta, activity_id
from ingestion_service.domain.facts import RANK, Attributes, SourceFact, SourceKind

_OUTCOMES: Final = frozenset({"completed", "no_show"})
"""What a booking came to."""
_ORDER: Final[dict[ActivityKind, int]] = {
    "booked": 0,
    "completed": 1,
    "no_show": 2,
    "settled": 3,
    "refunded": 4,
}


class Contribution(NamedTuple):
    """What a source object counts for under one kind of activity, of which it has at most one.

    `on` is the practice-local day, `starts_at` the hour of a booking, `number` a count. The first
    three fields say where it counts: two contributions that differ in them never add up."""

    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int


Effect = Mapping[ActivityKind, Contribution]
Order = tuple[datetime, int, str]
"""`SourceFact.order`."""


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

    @property
    def order(self) -> Order:
        """As `SourceFact.order`."""
        return (self.occurred_at, RANK[self.kind], self.event_id)


class KeptCode(NamedTuple):
    """A code of a booking, and the order of the fact that named it."""

    name: str
    code: str
    order: Order


class Counted(NamedTuple):
    """A contribution as it was published: under its kind, with the id of the activity that a later
    one takes back or corrects."""

    kind: ActivityKind
    contribution: Contribution
    activity_id: str


class Standing(NamedTuple):
    """All that a source object's next fact needs of the facts before it. Its size does not depend
    on their number.

    Of a booking: the latest `created`, the latest of its other facts, and of each code the latest
    fact that names it. Of a payment: the latest settlement, the latest failure, and the number and
    sum of what was refunded. `effect` is what was published.
    """

    created: KeptFact | None = None
    last: KeptFact | None = None
    codes: tuple[KeptCode, ...] = ()
    settled: KeptFact | None = None
    failed: KeptFact | None = None
    refund_count: int = 0
    refunded_minor: int = 0
    effect: tuple[Counted, ...] = ()


class SourceObject:
    """One booking or payment, folded fact by fact in the order of acceptance.

    What it keeps of the facts does not depend on the order of arrival, so neither does the effect.
    """

    __slots__ = (
        "_codes",
        "_created",
        "_effect",
        "_failed",
        "_ids",
        "_last",
        "_refund_count",
        "_refunded_minor",
        "_settled",
        "_zone",
    )

    def __init__(self, zone: tzinfo, standing: Standing | None = None) -> None:
        """Begin with `standing`, or without a fact. New facts count by the rules of `zone`."""
        known = standing or Standing()
        self._zone = zone
        self._created = known.created
        self._last = known.last
        self._codes = {name: (order, code) for name, code, order in known.codes}
        self._settled = known.settled
        self._failed = known.failed
        self._refund_count = known.refund_count
        self._refunded_minor = known.refunded_minor
        self._effect: Effect = {kind: published for kind, published, _ in known.effect}
        self._ids = {kind: identity for kind, _, identity in known.effect}

    @property
    def standing(self) -> Standing:
        """What to begin with when the next fact comes."""
        return Standing(
            self._created,
            self._last,
            tuple(KeptCode(name, code, order) for name, (order, code) in self._codes.items()),
            self._settled,
            self._failed,
            self._refund_count,
            self._refunded_minor,
            tuple(Counted(kind, one, self._ids[kind]) for kind, one in self._effect.items()),
        )

    def fold(self, fact: SourceFact) -> list[Delta]:
        """Add an accepted fact and return the deltas that it causes: negative ones first, then by
        kind: booked, completed, no_show, settled, refunded."""
        if fact.object_kind == "booking":
            last = self._add_booking(fact)
            if fact.attributes:
                self._add_codes(fact)
            after = _effect_of_booking(last, self._attributes())
        else:
            self._add_payment(fact)
            after = self._effect_of_payment()
        changes = _differences(self._effect, after) if self._effect else after.items()
        deltas = [self._delta(fact, ordinal, *change) for ordinal, change in enumerate(changes)]
        self._effect = after
        return deltas

    def _kept(self, fact: SourceFact) -> KeptFact:
        counts_at = fact.starts_at or fact.occurred_at
        return KeptFact(
            fact.kind,
            fact.occurred_at,
            fact.event_id,
            counts_at.astimezone(self._zone).date(),
            fact.starts_at,
            fact.amount_minor or 0,
        )

    def _add_booking(self, fact: SourceFact) -> KeptFact:
        """The fact that decides the effect: the latest, but a `created` undoes no outcome. Sources
        often know a visit by its day alone, and enter the booking later on that day."""
        kept = self._kept(fact)
        if fact.kind == "created":
            self._created = _later(self._created, kept)
        else:
            self._last = _later(self._last, kept)
        last = self._last
        if self._created is None or (last is not None and last.kind in _OUTCOMES):
            return last or kept
        return _later(last, self._created)

    def _add_codes(self, fact: SourceFact) -> None:
        """Later facts, by the source's time, replace the codes that they name and no others."""
        for name, code in fact.attributes:
            known = self._codes.get(name)
            if known is None or fact.order > known[0]:
                self._codes[name] = (fact.order, code)

    def _attributes(self) -> Attributes:
        if not self._codes:
            return ()
        return tuple((name, code) for name, (_, code) in sorted(self._codes.items()))

    def _add_payment(self, fact: SourceFact) -> None:
        if fact.kind == "settled":
            self._settled = _later(self._settled, self._kept(fact))
        elif fact.kind == "failed":
            self._failed = _later(self._failed, self._kept(fact))
        else:
            self._refund_count += 1
            self._refunded_minor += fact.amount_minor or 0

    def _effect_of_payment(self) -> Effect:
        settled = self._settled
        if settled is None or (self._failed is not None and self._failed.order > settled.order):
            return {}
        effect: dict[ActivityKind, Contribution] = {
            "settled": Contribution(settled.on, None, (), 1, settled.amount_minor)
        }
        if self._refund_count:
            back = min(self._refunded_minor, settled.amount_minor)
            effect["refunded"] = Contribution(settled.on, None, (), self._refund_count, back)
        return effect

    @property
    def is_overdrawn(self) -> bool:
        """Whether more went back than was paid. What is beyond counts nowhere, until a settlement
        of a larger amount comes: a payment is never worth less than nothing."""
        settled = self._settled
        return settled is not None and self._refunded_minor > settled.amount_minor

    def _delta(
        self, fact: SourceFact, ordinal: int, kind: ActivityKind, change: Contribution
    ) -> Delta:
        identity = activity_id(fact.practice_id, fact.source, fact.event_id, ordinal)
        older = self._ids.get(kind) if kind in self._effect else None
        refers_to = older
        if kind == "refunded" and not _is_negative(change):
            refers_to = self._ids["settled"]
        if older is None or change[:3] != self._effect[kind][:3]:
            self._ids[kind] = identity
        return Delta(identity, kind, *change, refers_to)


def _later(known: KeptFact | None, fact: KeptFact) -> KeptFact:
    return fact if known is None or fact.order > known.order else known


def _effect_of_booking(last: KeptFact, attributes: Attributes) -> Effect:
    if last.kind == "cancelled":
        return {}
    if last.kind == "completed" or last.kind == "no_show":
        return {last.kind: Contribution(last.on, None, attributes, 1, 0)}
    if last.starts_at is None:
        msg = "a created or rescheduled booking has a starts_at"
        raise ValueError(msg)
    return {"booked": Contribution(last.on, last.starts_at, attributes, 1, 0)}


def _differences(before: Effect, after: Effect) -> Iterable[tuple[ActivityKind, Contribution]]:
    """The changes that lead from `before` to `after`, in the order that `fold` promises."""
    return sorted(_changes(before, after), key=_sign_then_kind)


def _changes(before: Effect, after: Effect) -> Iterable[tuple[ActivityKind, Contribution]]:
    """A moved day or another code gives two changes (remove, add); a new number or amount one."""
    for kind in _ORDER:
        old, new = before.get(kind), after.get(kind)
        if old == new:
            continue
        if old is not None and new is not None and old[:3] == new[:3]:
            amount = new.amount_minor - old.amount_minor
            yield kind, Contribution(*new[:3], new.number - old.number, amount)
            continue
        if old is not None:
            yield kind, Contribution(*old[:3], -old.number, -old.amount_minor)
        if new is not None:
            yield kind, new


def _is_negative(change: Contribution) -> bool:
    return (change.number, change.amount_minor) < (0, 0)


def _sign_then_kind(change: tuple[ActivityKind, Contribution]) -> tuple[bool, int]:
    return (not _is_negative(change[1]), _ORDER[change[0]])
