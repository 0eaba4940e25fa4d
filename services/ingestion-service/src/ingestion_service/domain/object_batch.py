"""The bookings and payments of a batch, with their parts, folded fact by fact."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

from ingestion_service.domain.activities import Delta
from ingestion_service.domain.facts import IdentityKey, SourceFact, SourceObjectKey
from ingestion_service.domain.source_objects import SourceObject
from ingestion_service.domain.standings import Standing


class Known(NamedTuple):
    """A source object before the batch: its random id, and where it stands; and whom its first
    accepted event names, which may be of the batch."""

    object_id: str
    standing: Standing
    owner: IdentityKey | None = None


class Folded(NamedTuple):
    """What a fact made of its booking, payment or signal: the random id that the fact names, the
    deltas, whether more of it went back than was paid, and whether the fact is what holds of a
    signal now."""

    object_id: str
    deltas: list[Delta]
    is_overdrawn: bool
    is_last_word: bool


class ObjectBatch:
    """Every source object that the facts of a batch are about.

    A booking that takes the place of another one is part of it, and so are all that take its own
    place: the chain is one booking, whose id is that of the first (ADR 45).
    """

    def __init__(self, known: Mapping[SourceObjectKey, Known]) -> None:
        """`known` holds the objects of all keys that the facts name, and those they are part of."""
        self._known = known
        self._objects: dict[SourceObjectKey, SourceObject] = {}
        self._touched: set[SourceObjectKey] = set()

    def fold(self, fact: SourceFact, zone: tzinfo) -> Folded:
        """Add an accepted fact to what it is about; it counts by the rules of its client's zone."""
        self.keep(fact, zone)
        return self.publish(fact)

    def keep(self, fact: SourceFact, zone: tzinfo) -> None:
        """The first half of `fold`: what is known after the fact."""
        key = fact.object_key
        if fact.replaced_key is not None:
            self._join(key, fact.replaced_key, zone)
        root = self.root(key, zone)
        part = key if root != key else fact.part_key
        self._touched |= {root} if part is None else {root, part}
        self._object(root, zone).keep(fact, None if part is None else self._object(part, zone))

    def publish(self, fact: SourceFact) -> Folded:
        """The second half of `fold`: the deltas that lead to what is known."""
        key = fact.object_key
        root = key._replace(external_id=self._objects[key].part_of or key.external_id)
        whole = self._objects[root]
        deltas = whole.publish(fact)
        if root != key:
            deltas = [_of(delta, self._id(key), self._id(root)) for delta in deltas]
        is_last_word = whole.last_event == fact.event_id
        return Folded(self._id(key), deltas, whole.is_overdrawn, is_last_word)

    def changed(self, key: SourceObjectKey, zone: tzinfo) -> SourceObject:
        """The object of a key, to be changed."""
        self._touched.add(key)
        return self._object(key, zone)

    def standing(self, key: SourceObjectKey) -> Standing:
        """Where an object stands now."""
        found = self._objects.get(key)
        return self._known[key].standing if found is None else found.standing

    @property
    def standings(self) -> dict[SourceObjectKey, Standing]:
        """Where the objects stand that a fact has changed."""
        return {key: self._objects[key].standing for key in self._touched}

    def _object(self, key: SourceObjectKey, zone: tzinfo) -> SourceObject:
        """The object as it stands; all that a fact is about are of one client, so of one zone."""
        found = self._objects.get(key)
        if found is None:
            found = self._objects[key] = SourceObject(zone, self._known[key].standing)
        return found

    def _id(self, key: SourceObjectKey) -> str:
        return self._known[key].object_id

    def _join(self, key: SourceObjectKey, replaced: SourceObjectKey, zone: tzinfo) -> None:
        root, other = self.root(replaced, zone), self.root(key, zone)
        if root == other:
            return
        whole, part = self._object(root, zone), self._object(other, zone)
        whole.join(part, other.external_id, self._id(other))
        part.belongs_to(root.external_id)
        self._touched |= {root, other}

    def root(self, key: SourceObjectKey, zone: tzinfo) -> SourceObjectKey:
        """The first booking of the chain; for others the object itself. All between the two become
        part of it directly, so that they are not walked again, nor locked by later batches."""
        root, between = key, []
        while (first := self._object(root, zone).part_of) is not None:
            between.append(root)
            root = root._replace(external_id=first)
        for each in between[:-1]:
            self._object(each, zone).belongs_to(root.external_id)
        self._touched.update(between[:-1])
        return root


def _of(delta: Delta, named: str, root: str) -> Delta:
    """A delta of a chain, by a fact that names another object than its root."""
    object_id = delta.object_id or root
    return delta._replace(object_id=None if object_id == named else object_id)
