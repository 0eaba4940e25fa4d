"""The activities of source objects, without a store."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from ingestion_service.domain.activities import Delta
from ingestion_service.domain.facts import SourceFact, SourceObjectKey
from ingestion_service.domain.object_batch import Folded, Known, ObjectBatch
from ingestion_service.domain.standings import Standing


class KeptObjects:
    """Source objects as a store keeps them: each fact begins with what the last one left."""

    def __init__(self) -> None:
        self.known: dict[SourceObjectKey, Known] = {}

    def fold(self, fact: SourceFact, zone: tzinfo) -> Folded:
        """Add a fact, in a batch of its own."""
        self._add_missing([fact])
        batch = ObjectBatch(self.known)
        folded = batch.fold(fact, zone)
        for key, standing in batch.standings.items():
            self.known[key] = self.known[key]._replace(standing=standing)
        return folded

    def batch(self, facts: Sequence[SourceFact]) -> ObjectBatch:
        """All that these facts need, in one batch."""
        self._add_missing(facts)
        return ObjectBatch(self.known)

    def _add_missing(self, facts: Iterable[SourceFact]) -> None:
        for fact in facts:
            for key in (fact.object_key, fact.part_key, fact.replaced_key):
                if key is not None and key not in self.known:
                    self.known[key] = Known(f"{key.kind}/{key.external_id}", Standing())


def activities_of(facts: Iterable[SourceFact], zone: tzinfo) -> list[Delta]:
    """All deltas of facts in the order of acceptance, accepted in one batch."""
    known = list(facts)
    batch = KeptObjects().batch(known)
    return [delta for fact in known for delta in batch.fold(fact, zone).deltas]
