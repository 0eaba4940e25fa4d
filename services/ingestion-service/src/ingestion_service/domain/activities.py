"""What a booking or payment counts for (its effect), and the deltas by which a fact changes that.

The effect of a set of facts does not depend on the order in which they arrived: facts are ordered
by the source's time (R8). A new fact causes the difference between the effect after it and the
effect before it, so the sum of all deltas is always the effect.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.facts import Attributes, ClientId, PracticeId, SourceFact

ActivityKind = Literal["registered", "booked", "completed", "no_show", "settled", "refunded"]

_NAMESPACE: Final = uuid.UUID("6f0b6c1e-0d9a-5a5e-9a9e-2d1c7a1b5f10")
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


class Delta(NamedTuple):
    """One signed change on one practice-local day; `refers_to` is the id of the activity that it
    corrects, or None. `attributes` are the booking's codes."""

    activity_id: str
    kind: ActivityKind
    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int
    refers_to: str | None


class ActivityOwner(NamedTuple):
    """The client of an activity, with the zone of its days and the currency of its amounts."""

    practice_id: PracticeId
    client_id: ClientId
    generation: int
    zone: str
    currency: str


class Cause(NamedTuple):
    """The source event of an activity: its id within `source`, the random id of its booking or
    payment, and whether the source reported it as history."""

    source: str | None
    event_id: str | None
    object_id: str | None
    backfill: bool


NO_CAUSE: Final = Cause(None, None, None, backfill=False)
"""What a registration says of its cause."""


class Activity(NamedTuple):
    """A delta with its client and its number in the client's gapless sequence, as it is published.

    `cause` is None for a registration. `is_last_of_cause` says that the cause has no further
    activity of this client.
    """

    owner: ActivityOwner
    sequence: int
    occurred_at: datetime
    accepted_at: datetime
    cause: Cause | None
    is_last_of_cause: bool
    delta: Delta


def activity_id(practice_id: str, source: str, event_id: str, ordinal: int) -> str:
    """The id of the `ordinal`-th activity that a source event causes: the same on every replay."""
    return str(uuid.uuid5(_NAMESPACE, f"{practice_id}\x00{source}\x00{event_id}\x00{ordinal}"))


def caused(
    fact: SourceFact,
    object_id: str,
    owner: ActivityOwner,
    deltas: Sequence[Delta],
    first_sequence: int,
    accepted_at: datetime,
) -> list[Activity]:
    """The activities of one fact's deltas, numbered from `first_sequence` on. `object_id` is that
    of the fact's booking or payment."""
    cause = Cause(fact.source, fact.event_id, object_id, fact.backfill)
    last = first_sequence + len(deltas) - 1
    return [
        Activity(owner, sequence, fact.occurred_at, accepted_at, cause, sequence == last, delta)
        for sequence, delta in enumerate(deltas, start=first_sequence)
    ]


def registered(owner: ActivityOwner, sequence: int, now: datetime) -> Activity:
    """The activity that makes a client known to other services before any booking or payment."""
    identity = activity_id(owner.practice_id, "", owner.client_id, 0)
    delta = _registration(identity, now, owner.zone)
    return Activity(owner, sequence, now, now, None, is_last_of_cause=True, delta=delta)


def announcement(fact: SourceFact, zone: str, accepted_at: datetime) -> Delta:
    """The delta of a client's first fact where that counts for nothing, such as a refund before its
    payment: it makes the client known to other services."""
    identity = activity_id(fact.practice_id, fact.source, fact.event_id, 0)
    return _registration(identity, accepted_at, zone)


def _registration(identity: str, now: datetime, zone: str) -> Delta:
    today = now.astimezone(ZoneInfo(zone)).date()
    return Delta(identity, "registered", today, None, (), 1, 0, None)


def takes_back_a_visit(deltas: Sequence[Delta]) -> bool:
    """Whether a fact's deltas take back a completed booking and give none for it."""
    if not deltas or deltas[0].number >= 0:  # negative deltas come first
        return False
    return sum(delta.number for delta in deltas if delta.kind == "completed") < 0


class SourceObject:
    """One booking or payment, folded fact by fact in the order of acceptance.

    It stores only what decides the effect: the latest `created` of a booking, the latest of its
    other facts, and of each of its codes the latest fact that names it; of a payment the latest
    settlement, the latest failure and the sum of the refunds. None of these depends on the order of
    arrival, so neither does the effect.
    """

    __slots__ = (
        "_codes",
        "_created",
        "_failed",
        "_ids",
        "_last",
        "_refund_count",
        "_refunded_minor",
        "_settled",
        "_zone",
        "effect",
    )

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._created: SourceFact | None = None
        self._last: SourceFact | None = None
        self._codes: dict[str, tuple[Order, str]] = {}
        self._settled: SourceFact | None = None
        self._failed: SourceFact | None = None
        self._refund_count = 0
        self._refunded_minor = 0
        self._ids: dict[ActivityKind, str] = {}
        self.effect: Effect = {}

    def fold(self, fact: SourceFact) -> list[Delta]:
        """Add an accepted fact and return the deltas that it causes: negative ones first, then by
        kind: booked, completed, no_show, settled, refunded."""
        if fact.object_kind == "booking":
            last = self._add_booking(fact)
            if fact.attributes:
                self._add_codes(fact)
            after = _effect_of_booking(last, self._attributes(), self._zone)
        else:
            self._add_payment(fact)
            after = self._effect_of_payment()
        changes = _differences(self.effect, after) if self.effect else after.items()
        deltas = [self._delta(fact, ordinal, *change) for ordinal, change in enumerate(changes)]
        self.effect = after
        return deltas

    def _add_booking(self, fact: SourceFact) -> SourceFact:
        """The fact that decides the effect: the latest, but a `created` undoes no outcome. Sources
        often know a visit by its day alone, and enter the booking later on that day."""
        if fact.kind == "created":
            self._created = _later(self._created, fact)
        else:
            self._last = _later(self._last, fact)
        last = self._last
        if self._created is None or (last is not None and last.kind in _OUTCOMES):
            return last or fact
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
            self._settled = _later(self._settled, fact)
        elif fact.kind == "failed":
            self._failed = _later(self._failed, fact)
        else:
            self._refund_count += 1
            self._refunded_minor += fact.amount_minor or 0

    def _effect_of_payment(self) -> Effect:
        settled = self._settled
        if settled is None or (self._failed is not None and self._failed.order > settled.order):
            return {}
        on = settled.occurred_at.astimezone(self._zone).date()
        effect: dict[ActivityKind, Contribution] = {
            "settled": Contribution(on, None, (), 1, settled.amount_minor or 0)
        }
        if self._refund_count:
            effect["refunded"] = Contribution(
                on, None, (), self._refund_count, self._refunded_minor
            )
        return effect

    def _delta(
        self, fact: SourceFact, ordinal: int, kind: ActivityKind, change: Contribution
    ) -> Delta:
        identity = activity_id(fact.practice_id, fact.source, fact.event_id, ordinal)
        older = self._ids.get(kind) if kind in self.effect else None
        refers_to = older
        if kind == "refunded" and not _is_negative(change):
            refers_to = self._ids["settled"]
        if older is None or change[:3] != self.effect[kind][:3]:
            self._ids[kind] = identity
        return Delta(identity, kind, *change, refers_to)


def _later(known: SourceFact | None, fact: SourceFact) -> SourceFact:
    return fact if known is None or fact.order > known.order else known


def _effect_of_booking(last: SourceFact, attributes: Attributes, zone: tzinfo) -> Effect:
    if last.kind == "cancelled":
        return {}
    if last.kind == "completed" or last.kind == "no_show":
        on = last.occurred_at.astimezone(zone).date()
        return {last.kind: Contribution(on, None, attributes, 1, 0)}
    if last.starts_at is None:
        msg = "a created or rescheduled booking has a starts_at"
        raise ValueError(msg)
    on = last.starts_at.astimezone(zone).date()
    return {"booked": Contribution(on, last.starts_at, attributes, 1, 0)}


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
