"""Declared sources in memory: a part of the store of ingestion."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import MOST_PAID_FOR, Source, SourceKey
from ingestion_service.personal_keys import PersonalKeys
from ingestion_service.ports.sources import Undeclared

if TYPE_CHECKING:
    from tests.support.memory.ingestion import Tables


class UndeclaredRow(NamedTuple):
    """A record that waits until its source is declared."""

    key: SourceKey
    record: SourceRecord
    waits_since: datetime


class MemorySources:
    """The methods of `Store` about sources. Transactions run one after another: nothing to lock."""

    def __init__(self, tables: "Tables") -> None:
        self._of = tables
        self.personal = PersonalKeys(bytes(range(32)))

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

    def await_declaration(
        self, records: Sequence[tuple[SourceKey, SourceRecord]], now: datetime
    ) -> None:
        self._of.undeclared += [UndeclaredRow(key, record, now) for key, record in records]

    def release_undeclared(self, key: SourceKey) -> None:
        if any(row.key == key for row in self._of.undeclared):
            self._of.released.append(key)

    def lock_declared(self) -> SourceKey | None:
        return self._of.released[0] if self._of.released else None

    def move_undeclared(self, key: SourceKey, limit: int, now: datetime) -> int:
        rows = [row for row in self._of.undeclared if row.key == key][:limit]
        self._of.undeclared = [row for row in self._of.undeclared if row not in rows]
        self._of.queues.append([(key.practice_id, row.record) for row in rows], now)
        self._of.released.remove(key)
        if any(row.key == key for row in self._of.undeclared):
            self._of.released.append(key)
        return len(rows)

    def identities(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, ClientId]:
        known = self._of.identities
        return {key: known[key] for key in keys if key in known}

    def hold_identities(self, practice_ids: Collection[PracticeId]) -> None:
        """Nobody else is there."""

    def take_identities(self, practice_id: PracticeId) -> None:
        """Nobody else is there."""

    def attach(self, keys: Collection[IdentityKey], client_id: ClientId) -> None:
        for key in keys:
            assert key not in self._of.identities, "an identity has one client"
            self._of.identities[key] = client_id

    def save_payer(self, payer: IdentityKey, client: IdentityKey) -> None:
        self._of.payers.add((payer, client))

    def payers(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, list[IdentityKey]]:
        found = {
            key: sorted(client for payer, client in self._of.payers if payer == key)[:MOST_PAID_FOR]
            for key in keys
        }
        return {key: clients for key, clients in found.items() if clients}


class MemorySourceReads:
    """The methods of `Reads` about sources."""

    def __init__(self, tables: Callable[[], "Tables"]) -> None:
        self._tables_now = tables

    def declared_sources(self, practice_id: PracticeId) -> list[Source]:
        return MemorySources(self._tables_now()).sources_of(practice_id)

    def declared_source(self, key: SourceKey) -> Source | None:
        return self._tables_now().sources.get(key)

    def undeclared(self, practice_id: PracticeId) -> list[Undeclared]:
        waiting = self._tables_now().undeclared
        own = sorted({row.key for row in waiting if row.key.practice_id == practice_id})
        return [_undeclared(key.source, [row for row in waiting if row.key == key]) for key in own]


def _undeclared(source: str, rows: Sequence[UndeclaredRow]) -> Undeclared:
    return Undeclared(source, len(rows), min(row.waits_since for row in rows))
