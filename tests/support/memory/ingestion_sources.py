"""Declared sources in memory: a part of the store of ingestion."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.sources import Source, SourceKey
from ingestion_service.source_ports import Undeclared

if TYPE_CHECKING:
    from tests.support.memory.ingestion import Tables


class MemorySources:
    """The methods of `Store` about sources. Transactions run one after another: nothing to lock."""

    def __init__(self, tables: "Tables") -> None:
        self._of = tables

    def sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Source]:
        return {key: self._of.sources[key] for key in keys if key in self._of.sources}

    def sources_of(self, practice_id: PracticeId) -> list[Source]:
        declared = self._of.sources
        return [declared[key] for key in sorted(declared) if key.practice_id == practice_id]

    def hold_declarations(self, practice_ids: Collection[PracticeId]) -> None:
        """Nobody else is there."""

    def take_declarations(self, practice_id: PracticeId) -> None:
        """Nobody else is there."""

    def is_in_use(self, practice_id: PracticeId, namespace: str) -> bool:
        return any(key[:2] == (practice_id, namespace) for key in self._of.identities)

    def save_source(self, source: Source) -> None:
        self._of.sources[source.key] = source

    def fix_sources(self, keys: Collection[SourceKey]) -> None:
        for key in keys:
            self._of.sources[key] = self._of.sources[key]._replace(is_fixed=True)

    def counted(self, keys: Collection[SourceKey]) -> set[SourceKey]:
        known = {SourceKey(event.practice_id, event.source) for event in self._of.ledger}
        return known & set(keys)


class MemorySourceReads:
    """The methods of `Reads` about sources."""

    def __init__(self, tables: Callable[[], "Tables"]) -> None:
        self._tables_now = tables

    def declared_sources(self, practice_id: PracticeId) -> list[Source]:
        return MemorySources(self._tables_now()).sources_of(practice_id)

    def declared_source(self, key: SourceKey) -> Source | None:
        return self._tables_now().sources.get(key)

    def undeclared(self, practice_id: PracticeId) -> list[Undeclared]:
        return []
