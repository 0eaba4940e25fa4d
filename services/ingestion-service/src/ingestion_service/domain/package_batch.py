"""The facts of a batch, folded one by one, and for which client each of them counts (ADR 55)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

from ingestion_service.domain.activities import Delta, moved
from ingestion_service.domain.facts import IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.domain.object_batch import Folded, Known, ObjectBatch
from ingestion_service.domain.packages import (
    Units,
    differences,
    owner_of,
    units,
    with_teller,
    with_units,
)
from ingestion_service.domain.standings import PackageStanding, Standing


class Row(NamedTuple):
    """What one row of the ledger tells: a fact, the random id of the object that it names, and the
    deltas that count for one client."""

    fact: SourceFact
    client: IdentityKey
    object_id: str
    deltas: Sequence[Delta]


class Told(NamedTuple):
    """What a fact tells: first what is taken back from those for whom payments counted so far, then
    what it tells itself, then what is told to those for whom these payments count now; and whether
    more went back than was paid, and whether it is what holds of a signal now."""

    away: Sequence[Row]
    own: Row
    toward: Sequence[Row]
    is_overdrawn: bool
    is_last_word: bool

    @property
    def rows(self) -> list[Row]:
        """All rows, in their order."""
        return [*self.away, self.own, *self.toward]


class _Move(NamedTuple):
    """A payment counts for another client after a fact."""

    payment: SourceObjectKey
    before: IdentityKey
    after: IdentityKey


class PackageBatch:
    """Every source object and every package of a batch. A payment counts for the client whose
    package it pays, else for whom its events name."""

    def __init__(
        self, known: Mapping[SourceObjectKey, Known], zones: Mapping[IdentityKey, tzinfo]
    ) -> None:
        """`known` holds the objects of all keys that the facts name, and all that these lead to
        (`packages.related`); `zones` those of the clients for whom something counts: all days of a
        client are of one zone."""
        self._known = known
        self._zones = zones
        self._objects = ObjectBatch(known)
        self._packages = {key: one.standing for key, one in known.items() if key.kind == "package"}
        self._changed: set[SourceObjectKey] = set()

    def fold(self, fact: SourceFact) -> Told:
        """Add an accepted fact to what it is about."""
        key, zone = fact.object_key, self._zone_of(fact)
        if not self._packages:
            return _told(fact, self._whose(fact), self._objects.fold(fact, zone))
        units_before = self._units(fact, zone)
        self._objects.keep(fact, zone)
        self._tell(fact)
        moves = list(self._moves(fact))
        away = [row for move in moves for row in self._away(fact, move)]
        folded = self._objects.publish(fact)
        others = [move for move in moves if move.payment != key]
        toward = [row for move in others for row in self._toward(fact, move)]
        self._count(key, units_before, zone)
        return _told(fact, self._whose(fact), folded, away, toward)

    @property
    def standings(self) -> dict[SourceObjectKey, Standing]:
        """Where the objects and packages stand that a fact has changed."""
        packages = {key: self._packages[key] for key in self._changed}
        return self._objects.standings | packages

    def _whose(self, fact: SourceFact) -> IdentityKey:
        """For whom a fact counts."""
        if fact.object_kind != "payment":
            return fact.client
        return self._counts_for(fact.object_key) or fact.client

    def _counts_for(self, payment: SourceObjectKey) -> IdentityKey | None:
        """For whom a payment counts so far."""
        known = self._objects.standing(payment).counts_for
        if known is None:
            return self._known[payment].owner
        return IdentityKey(payment.practice_id, *known)

    def _zone_of(self, fact: SourceFact) -> tzinfo:
        return self._zone(self._whose(fact))

    def _zone(self, client: IdentityKey) -> tzinfo:
        """The zone of a client; any zone for one for whom nothing counts, neither before a fact nor
        after it."""
        return self._zones.get(client, UTC)

    def _tell(self, fact: SourceFact) -> None:
        """Keep whom a fact names that names a package."""
        package = fact.package_key
        if package is not None:
            self._set(package, with_teller(self._packages[package], fact))

    def _moves(self, fact: SourceFact) -> Iterator[_Move]:
        """The payments that count for another client because of a fact."""
        for payment in self._payments_of(fact):
            before, after = self._counts_for(payment), self._should_count_for(payment)
            if before is not None and after is not None and before != after:
                yield _Move(payment, before, after)

    def _payments_of(self, fact: SourceFact) -> list[SourceObjectKey]:
        """The payments of which a fact may change for whom they count: its own, and those that are
        made for the package that it names."""
        found = [fact.object_key] if fact.object_kind == "payment" else []
        package = fact.package_key
        if package is None:
            return found
        known = self._packages[package].package or PackageStanding()
        keys = [package._replace(kind="payment", external_id=each) for each in known.payments]
        return found + [
            key
            for key in keys
            if key not in found and self._objects.standing(key).package_id == package.external_id
        ]

    def _should_count_for(self, payment: SourceObjectKey) -> IdentityKey | None:
        package_id = self._objects.standing(payment).package_id
        if package_id is None:
            return self._known[payment].owner
        package = payment._replace(kind="package", external_id=package_id)
        return owner_of(package, self._packages[package]) or self._known[payment].owner

    def _away(self, fact: SourceFact, move: _Move) -> Iterator[Row]:
        """Take back what was published of a payment, and let it count for the other client."""
        payment = self._objects.changed(move.payment, self._zone(move.before))
        cause = moved(fact, move.before, move.payment.external_id)
        deltas = payment.take_back(cause)
        payment.count_for(move.after, self._zone(move.after))
        if deltas:
            yield Row(cause, move.before, self._known[move.payment].object_id, deltas)

    def _toward(self, fact: SourceFact, move: _Move) -> Iterator[Row]:
        """Publish a payment for the client for whom it counts now."""
        payment = self._objects.changed(move.payment, self._zone(move.after))
        cause = moved(fact, move.after, move.payment.external_id)
        deltas = payment.publish(cause)
        if deltas:
            yield Row(cause, move.after, self._known[move.payment].object_id, deltas)

    def _units(self, fact: SourceFact, zone: tzinfo) -> list[Mapping[str, Units]]:
        """What the bookings or payments that a fact is about, each by itself, come to for packages
        before the fact, as far as these have counted it."""
        named = [key for key in (fact.object_key, fact.replaced_key) if key is not None]
        roots = {self._objects.root(key, zone) for key in named}
        before = [self._objects.standing(root) for root in roots]
        return [units(each.effect) for each in before if each.is_in_package]

    def _count(
        self, key: SourceObjectKey, before: Iterable[Mapping[str, Units]], zone: tzinfo
    ) -> None:
        """Count what a fact about an object has changed for packages."""
        root = self._objects.root(key, zone)
        after = units(self._objects.standing(root).effect)
        if after:
            self._objects.changed(root, zone).note_package()
        for package_id, more in differences(before, after):
            package = key._replace(kind="package", external_id=package_id)
            self._set(package, with_units(self._packages[package], more))

    def _set(self, key: SourceObjectKey, standing: Standing) -> None:
        self._packages[key] = standing
        self._changed.add(key)


def _told(
    fact: SourceFact,
    client: IdentityKey,
    folded: Folded,
    away: Sequence[Row] = (),
    toward: Sequence[Row] = (),
) -> Told:
    own = Row(fact, client, folded.object_id, folded.deltas)
    return Told(away, own, toward, folded.is_overdrawn, folded.is_last_word)
