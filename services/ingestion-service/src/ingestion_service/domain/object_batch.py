"""The bookings and payments of a batch, with their parts, folded fact by fact."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

from ingestion_service.domain.activities import Delta
from ingestion_service.domain.facts import PracticeId, SourceFact, SourceObjectKey
from ingestion_service.domain.source_objects import SourceObject
from ingestion_service.domain.standings import Standing


class Known(NamedTuple):
    """A source object before the batch: its random id, and where it stands."""

    object_id: str
    standing: Standing


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

    def __init__(
        self, zones: Mapping[PracticeId, tzinfo], known: Mapping[SourceObjectKey, Known]
    ) -> None:
        """`known` holds the objects of all keys that the facts name, and those they are part of;
        new facts count by the rules of their practice's zone."""
        self._ids = {key: one.object_id for key, one in known.items()}
        self._objects = {
            key: SourceObject(zones[key.practice_id], one.standing) for key, one in known.items()
        }
        self._touched: set[SourceObjectKey] = set()

    def fold(self, fact: SourceFact) -> Folded:
        """Add an accepted fact to what it is about."""
        key = fact.object_key
        if fact.replaced_key is not None:
            self._join(key, fact.replaced_key)
        root = self._root(key)
        part = key if root != key else fact.part_key
        self._touched |= {root} if part is None else {root, part}
        whole = self._objects[root]
        deltas = whole.fold(fact, None if part is None else self._objects[part])
        if root != key:
            deltas = [_of(delta, self._ids[key], self._ids[root]) for delta in deltas]
        is_last_word = whole.last_event == fact.event_id
        return Folded(self._ids[key], deltas, whole.is_overdrawn, is_last_word)

    @property
    def standings(self) -> dict[SourceObjectKey, Standing]:
        """Where the objects stand that a fact has changed."""
        return {key: self._objects[key].standing for key in self._touched}

    def _join(self, key: SourceObjectKey, replaced: SourceObjectKey) -> None:
        root, other = self._root(replaced), self._root(key)
        if root == other:
            return
        whole, part = self._objects[root], self._objects[other]
        whole.join(part, other.external_id, self._ids[other])
        part.belongs_to(root.external_id)
        self._touched |= {root, other}

    def _root(self, key: SourceObjectKey) -> SourceObjectKey:
        """The first booking of the chain; for others the object itself. All between the two become
        part of it directly, so that they are not walked again, nor locked by later batches."""
        root, between = key, []
        while (first := self._objects[root].part_of) is not None:
            between.append(root)
            root = root._replace(external_id=first)
        for each in between[:-1]:
            self._objects[each].belongs_to(root.external_id)
        self._touched.update(between[:-1])
        return root


def _of(delta: Delta, named: str, root: str) -> Delta:
    """A delta of a chain, by a fact that names another object than its root."""
    object_id = delta.object_id or root
    return delta._replace(object_id=None if object_id == named else object_id)
