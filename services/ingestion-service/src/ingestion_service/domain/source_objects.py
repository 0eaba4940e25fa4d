"""What a booking, payment or signal counts for (its effect), and the deltas by which a fact changes
that.

The effect of a set of facts does not depend on the order in which they arrived: facts are ordered
by the source's time (R8). A new fact causes the difference between the effect after it and the
effect that was published before it, so the sum of all deltas is always the effect.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import Final, NamedTuple

from ingestion_service.domain import bookings, payments, signals
from ingestion_service.domain.activities import ActivityKind, Delta, activity_id
from ingestion_service.domain.facts import IdentityKey, SourceFact, SourceObjectKind
from ingestion_service.domain.standings import (
    Contribution,
    Counted,
    Effect,
    KeptFact,
    Standing,
    in_zone,
    latest,
)

_ORDER: Final[dict[ActivityKind, int]] = {
    "requested": 0,
    "booked": 1,
    "completed": 2,
    "no_show": 3,
    "cancelled": 4,
    "settled": 5,
    "refunded": 6,
}


_EFFECTS: Final[dict[SourceObjectKind, Callable[[Standing], Effect]]] = {
    "booking": bookings.effect_of_booking,
    "payment": payments.effect_of_payment,
}
"""What counts; of anything else, what holds of a signal."""


class _Change(NamedTuple):
    """A signed change of what counts. `refers_to` is the activity that it takes back or corrects,
    `object_id` set where that was of a booking that has become part of this one."""

    kind: ActivityKind
    contribution: Contribution
    refers_to: str | None = None
    object_id: str | None = None

    @property
    def is_negative(self) -> bool:
        """Whether it takes back."""
        return (self.contribution.number, self.contribution.amount_minor) < (0, 0)


class SourceObject:
    """One booking, payment or signal, folded fact by fact in the order of acceptance; or a part of
    one, which keeps facts and counts for nothing by itself.

    What it keeps of the facts does not depend on the order of arrival, so neither does the effect.
    """

    __slots__ = ("_joined", "_known", "_zone")

    def __init__(self, zone: tzinfo, standing: Standing | None = None) -> None:
        """Begin with `standing`, or without a fact. New facts count by the rules of `zone`."""
        self._zone = zone
        self._known = standing or Standing()
        self._joined: list[_Change] = []

    @property
    def standing(self) -> Standing:
        """What to begin with when the next fact comes."""
        return self._known

    @property
    def part_of(self) -> str | None:
        """The booking that this one is part of, by the source's id."""
        return self._known.part_of

    @property
    def last_event(self) -> str | None:
        """The event that has the last word of a signal; None for anything else."""
        return None if self._known.last is None else self._known.last.event_id

    @property
    def is_overdrawn(self) -> bool:
        """Whether more of the payment went back than was paid."""
        return payments.is_overdrawn(self._known)

    def join(self, other: "SourceObject", other_id: str, object_id: str) -> None:
        """Another booking, `other_id`, with the random id `object_id`, becomes part of this one.
        What was published of it is taken back by the deltas of the next fact."""
        self._joined += [_taken_back(each, object_id) for each in other._known.effect]
        self._joined += other._joined
        self._known = bookings.joined(self._known, other._known, other_id)
        other._known, other._joined = Standing(cancelled=other._known.cancelled), []

    def belongs_to(self, booking_id: str) -> None:
        """Keep that this id is part of another booking."""
        if self._known.part_of != booking_id:
            self._known = self._known._replace(part_of=booking_id)

    def fold(self, fact: SourceFact, part: "SourceObject | None" = None) -> list[Delta]:
        """Add an accepted fact and return the deltas that it causes: negative ones first, then by
        kind: requested, booked, completed, no_show, cancelled, settled, refunded.

        `part` is the refund or chargeback, or the id that is part of this booking, that the fact is
        about; it keeps its share of the fact. Without it a refund is one that was not told before.
        """
        self.keep(fact, part)
        return self.publish(fact)

    def keep(self, fact: SourceFact, part: "SourceObject | None" = None) -> None:
        """The first half of `fold`: what is known after the fact."""
        kept = self._kept(fact)
        if fact.object_kind == "booking":
            own = None if part is None else part._keep_cancellation(kept)
            self._known = bookings.with_fact(self._known, fact, kept, own)
        elif fact.object_kind == "payment":
            if fact.part_key is not None:
                self._known = self._with_part(part or SourceObject(self._zone), kept)
            self._known = payments.with_fact(self._known, fact, kept)
        else:
            self._known = signals.with_fact(self._known, fact, kept)

    def publish(self, fact: SourceFact) -> list[Delta]:
        """The second half of `fold`: the deltas that lead to what counts by what is known."""
        effect_of = _EFFECTS.get(fact.object_kind, signals.effect_of_signal)
        return self._publish(fact, effect_of(self._known))

    def take_back(self, fact: SourceFact) -> list[Delta]:
        """The deltas that take back all that was published."""
        return self._publish(fact, {})

    def count_for(self, client: IdentityKey, zone: tzinfo) -> None:
        """Count for another client from now on, on the days of that one's zone. What was published
        was taken back before."""
        self._zone = zone
        whose = (client.namespace, client.external_id)
        self._known = in_zone(self._known, zone)._replace(counts_for=whose)

    def note_package(self) -> None:
        """Keep that its package has counted what it counts for."""
        self._known = self._known._replace(is_in_package=True)

    def _with_part(self, part: "SourceObject", kept: KeptFact) -> Standing:
        before = part._known
        part._known = before._replace(last=latest(before.last, kept))
        return payments.with_part(self._known, before, part._known)

    def _keep_cancellation(self, kept: KeptFact) -> Standing:
        if kept.kind == "cancelled":
            self._known = self._known._replace(cancelled=latest(self._known.cancelled, kept))
        return self._known

    def _kept(self, fact: SourceFact) -> KeptFact:
        by, at = fact.details.cancelled_by, fact.details.cancelled_at
        if by is not None and at is None:
            at = fact.occurred_at
        counts_at = fact.starts_at or at or fact.occurred_at
        return KeptFact(
            fact.kind,
            fact.occurred_at,
            fact.event_id,
            counts_at.astimezone(self._zone).date(),
            fact.starts_at,
            fact.amount_minor or 0,
            next((int(code) for name, code in fact.attributes if name == "units"), 0),
            by,
            at,
        )

    def _publish(self, fact: SourceFact, after: Effect) -> list[Delta]:
        """The deltas that lead from what was published to `after`, which is published now."""
        before = {each.kind: each for each in self._known.effect}
        changes = [*self._joined, *_changes(before, after)]
        if not changes:
            return []
        if len(changes) > 1:
            changes.sort(key=_sign_then_kind)
        ids = {kind: each.activity_id for kind, each in before.items()}
        deltas = []
        for ordinal, change in enumerate(changes):
            identity = activity_id(fact.practice_id, fact.source, fact.event_id, ordinal)
            if not change.is_negative and _is_new(change, before):
                ids[change.kind] = identity
            deltas.append(_delta(identity, change, ids.get("settled")))
        self._known = self._known._replace(
            effect=tuple(Counted(kind, one, ids[kind]) for kind, one in after.items())
        )
        self._joined = []
        return deltas


def _taken_back(each: Counted, object_id: str | None = None) -> _Change:
    one = each.contribution
    gone = one.times(-one.number, -one.amount_minor)
    return _Change(each.kind, gone, each.activity_id, object_id)


def _changes(before: Mapping[ActivityKind, Counted], after: Effect) -> Iterator[_Change]:
    """A moved day or another code gives two changes (remove, add); a new number or amount one."""
    for kind, old in before.items():
        new = after.get(kind)
        if new is None or old.contribution.place != new.place:
            yield _taken_back(old)
            if new is not None:
                yield _Change(kind, new, old.activity_id)
        elif old.contribution != new:
            number = new.number - old.contribution.number
            amount = new.amount_minor - old.contribution.amount_minor
            yield _Change(kind, new.times(number, amount), old.activity_id)
    for kind, new in after.items():
        if kind not in before:
            yield _Change(kind, new)


def _is_new(change: _Change, before: Mapping[ActivityKind, Counted]) -> bool:
    """Whether nothing of this kind was published at the same place."""
    old = before.get(change.kind)
    return old is None or old.contribution.place != change.contribution.place


def _delta(identity: str, change: _Change, settled_id: str | None) -> Delta:
    """A refund refers to its settlement."""
    one, refers_to = change.contribution, change.refers_to
    if change.kind == "refunded" and not change.is_negative:
        refers_to = settled_id
    return Delta(
        identity,
        change.kind,
        one.on,
        one.starts_at,
        one.attributes,
        one.number,
        one.amount_minor,
        refers_to,
        one.cancelled_by,
        one.cancelled_at,
        change.object_id,
    )


def _sign_then_kind(change: _Change) -> tuple[bool, int]:
    return (not change.is_negative, _ORDER.get(change.kind, len(_ORDER)))
