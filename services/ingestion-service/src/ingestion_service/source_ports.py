"""What the use cases need of declared sources: a part of the store."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.sources import Source, SourceKey


class Undeclared(NamedTuple):
    """A source of which so many records wait until it is declared, or are being moved on since;
    the oldest waits since `waits_since`."""

    source: str
    waiting: int
    waits_since: datetime | None


class SourceStore(Protocol):
    """The declarations of practices, within one transaction (ADR 49)."""

    def sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Source]:
        """Those of these sources that are declared."""

    def sources_of(self, practice_id: PracticeId) -> list[Source]:
        """All declared sources of the practice, by name."""

    def hold_declarations(self, practice_ids: Collection[PracticeId]) -> None:
        """Let nobody declare a source of these practices before the transaction ends. Taken before
        everything else that is locked, so that no two transactions wait for each other."""

    def take_declarations(self, practice_id: PracticeId) -> None:
        """Let nobody declare a source of the practice, or hold its declarations, before the
        transaction ends."""

    def is_in_use(self, practice_id: PracticeId, namespace: str) -> bool:
        """Whether the practice has a client in this namespace."""

    def save_source(self, source: Source) -> None:
        """Insert the declaration or change it."""

    def fix_sources(self, keys: Collection[SourceKey]) -> None:
        """Note that something of these declared sources is known from now on."""

    def counted(self, keys: Collection[SourceKey]) -> set[SourceKey]:
        """Those of these sources of which the ledger has events."""


class SourceReads(Protocol):
    """What the API shows of sources."""

    def declared_sources(self, practice_id: PracticeId) -> list[Source]:
        """All declared sources of the practice, by name."""

    def declared_source(self, key: SourceKey) -> Source | None:
        """A declared source; None where it is not declared."""

    def undeclared(self, practice_id: PracticeId) -> list[Undeclared]:
        """The sources of the practice of which records wait, by name: a thousand at most."""
