"""Declared sources on Postgres: the part of the store that is about them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import Source, SourceKey
from ingestion_service.ports import Sealer
from ingestion_service.ports.sources import Hashing, Undeclared
from ingestion_service.store import identities, practice_locks, relations, undeclared
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import Database, execute, fetch, fetch_value

_COLUMNS: Final = ", ".join(Source._fields)
_SOURCES: Final = f"""
    SELECT found.* FROM unnest(%(practice_id)b::text[], %(source)b::text[])
        AS wanted(practice_id, source),
    LATERAL (
        SELECT {_COLUMNS} FROM source
        WHERE source.practice_id = wanted.practice_id AND source.source = wanted.source
        OFFSET 0
    ) found
"""
_SOURCES_OF: Final = f"""
    SELECT {_COLUMNS} FROM source WHERE practice_id = %(practice_id)b ORDER BY source
"""
_IS_IN_USE: Final = """
    SELECT EXISTS (
        SELECT FROM identity
        WHERE practice_id = %(practice_id)b AND namespace = %(namespace)b
    )
"""
_SAVE: Final = f"""
    INSERT INTO source ({_COLUMNS})
    VALUES ({", ".join(f"%({name})b" for name in Source._fields)})
    ON CONFLICT (practice_id, source) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in Source._fields[2:])}
"""
_FIX: Final = """
    UPDATE source SET is_fixed = true
    FROM unnest(%(practice_id)b::text[], %(source)b::text[]) AS known(practice_id, source)
    WHERE source.practice_id = known.practice_id AND source.source = known.source
      AND NOT is_fixed
"""
_COUNTED: Final = """
    SELECT practice_id, source
    FROM unnest(%(practice_id)b::text[], %(source)b::text[]) AS named(practice_id, source)
    WHERE EXISTS (
        SELECT FROM source_count AS counted
        WHERE counted.practice_id = named.practice_id AND counted.source = named.source
    )
"""
_UNDECLARED: Final = """
    SELECT source, waiting, waits_since FROM undeclared
    WHERE practice_id = %(practice_id)b ORDER BY source LIMIT 1000
"""


class PostgresSources:
    """`ports.sources.SourceStore` within one transaction; `sealer` seals what waits, `personal`
    hashes personal client ids."""

    def __init__(self, tx: sa.Connection, sealer: Sealer, personal: Hashing | None) -> None:
        self.personal = personal
        self._tx = tx
        self._sealer = sealer

    def sources(self, keys: Collection[SourceKey]) -> Mapping[SourceKey, Source]:
        return _sources(self._tx, keys)

    def sources_of(self, practice_id: PracticeId) -> list[Source]:
        return _sources_of(self._tx, practice_id)

    def hold_declarations(self, practice_ids: Collection[PracticeId]) -> None:
        practice_locks.hold(self._tx, "sources", practice_ids)

    def take_declarations(self, practice_id: PracticeId) -> None:
        practice_locks.take(self._tx, "sources", practice_id)

    def is_in_use(self, practice_id: PracticeId, namespace: str) -> bool:
        parameters = {"practice_id": practice_id, "namespace": namespace}
        return bool(fetch_value(self._tx, _IS_IN_USE, parameters))

    def save_source(self, source: Source) -> None:
        execute(self._tx, _SAVE, source._asdict(), prepare=False)

    def fix_sources(self, keys: Collection[SourceKey]) -> None:
        execute(self._tx, _FIX, arrays(SourceKey._fields, sorted(keys)), prepare=False)

    def counted(self, keys: Collection[SourceKey]) -> set[SourceKey]:
        rows = fetch(self._tx, _COUNTED, arrays(SourceKey._fields, keys), prepare=False)
        return {SourceKey(*row) for row in rows}

    def await_declaration(
        self, records: Sequence[tuple[SourceKey, SourceRecord]], now: datetime
    ) -> None:
        undeclared.wait(self._tx, records, now, self._sealer)

    def release_undeclared(self, key: SourceKey) -> None:
        undeclared.release(self._tx, key)

    def lock_declared(self) -> SourceKey | None:
        return undeclared.lock_declared(self._tx)

    def move_undeclared(self, key: SourceKey, limit: int, now: datetime) -> int:
        return undeclared.move(self._tx, key, limit, now)

    def identities(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, ClientId]:
        return identities.known(self._tx, keys)

    def hold_identities(self, practice_ids: Collection[PracticeId]) -> None:
        practice_locks.hold(self._tx, "identities", practice_ids)

    def take_identities(self, practice_id: PracticeId) -> None:
        practice_locks.take(self._tx, "identities", practice_id)

    def attach(self, keys: Collection[IdentityKey], client_id: ClientId) -> None:
        identities.attach(self._tx, keys, client_id)

    def save_payer(self, payer: IdentityKey, client: IdentityKey) -> None:
        relations.save(self._tx, payer, client)

    def payers(self, keys: Collection[IdentityKey]) -> Mapping[IdentityKey, list[IdentityKey]]:
        return relations.payers(self._tx, keys)


class PostgresSourceReads:
    """`ports.sources.SourceReads` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declared_sources(self, practice_id: PracticeId) -> list[Source]:
        with self._database.transaction(practice_id) as tx:
            return _sources_of(tx, practice_id)

    def declared_source(self, key: SourceKey) -> Source | None:
        with self._database.transaction(key.practice_id) as tx:
            return _sources(tx, [key]).get(key)

    def undeclared(self, practice_id: PracticeId) -> list[Undeclared]:
        with self._database.transaction(practice_id) as tx:
            rows = fetch(tx, _UNDECLARED, {"practice_id": practice_id}, prepare=False)
        return [Undeclared._make(row) for row in rows]


def _sources(tx: sa.Connection, keys: Collection[SourceKey]) -> dict[SourceKey, Source]:
    rows = fetch(tx, _SOURCES, arrays(SourceKey._fields, keys), prepare=False)
    return {source.key: source for source in (Source(*row) for row in rows)}


def _sources_of(tx: sa.Connection, practice_id: PracticeId) -> list[Source]:
    rows = fetch(tx, _SOURCES_OF, {"practice_id": practice_id}, prepare=False)
    return [Source(*row) for row in rows]
