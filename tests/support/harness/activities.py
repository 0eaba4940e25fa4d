"""The activities of one source object, without a store."""

from collections.abc import Iterable
from datetime import tzinfo

from ingestion_service.domain.activities import Delta
from ingestion_service.domain.facts import SourceFact
from ingestion_service.domain.source_objects import SourceObject


def activities_of(facts: Iterable[SourceFact], zone: tzinfo) -> list[Delta]:
    """All deltas of one source object, from its facts in the order of acceptance."""
    source_object = SourceObject(zone)
    return [delta for fact in facts for delta in source_object.fold(fact)]
