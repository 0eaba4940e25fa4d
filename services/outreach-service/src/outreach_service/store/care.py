"""What other systems have noted of clients, row by row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from outreach_service.domain.care import Flag, FlagKey, FlagKind, FlagState
from outreach_service.domain.generations import Client, Span
from rapport_runtime.database import execute, fetch

_FIND: Final = """
    SELECT practice_id, client_id, object_id, kind, state, since, sequence FROM care_flag
    WHERE (practice_id, client_id, object_id) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[], %(objects)s::text[]))
"""
_OF_CLIENT: Final = """
    SELECT practice_id, client_id, object_id, kind, state, since, sequence FROM care_flag
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s ORDER BY object_id
"""
_SAVE: Final = """
    INSERT INTO care_flag (practice_id, client_id, object_id, kind, state, since, sequence)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(objects)b::text[],
        %(kinds)b::text[], %(states)b::text[], %(since)b::timestamptz[], %(sequences)b::bigint[])
    ON CONFLICT (practice_id, client_id, object_id) DO UPDATE
    SET kind = excluded.kind, state = excluded.state, since = excluded.since,
        sequence = excluded.sequence
"""

_CAME: Final = """
    SELECT practice_id, client_id, came FROM care_heard
    WHERE (practice_id, client_id) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[]))
"""
_SAVE_CAME: Final = """
    INSERT INTO care_heard (practice_id, client_id, came)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(came)b::text[])
    ON CONFLICT (practice_id, client_id) DO UPDATE SET came = excluded.came
"""
_ENCODE: Final = msgspec.json.Encoder().encode
_SPANS: Final = msgspec.json.Decoder(tuple[Span, ...]).decode


class PostgresCareFlags:
    """`CareFlags` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def find(self, keys: Collection[FlagKey]) -> Mapping[FlagKey, Flag]:
        """See `CareFlags.find`."""
        found = (_flag(row) for row in fetch(self._tx, _FIND, _columns(keys), prepare=False))
        return {flag.key: flag for flag in found}

    def of_client(self, practice_id: str, client_id: str) -> list[Flag]:
        """See `CareFlags.of_client`."""
        of = {"practice_id": practice_id, "client_id": client_id}
        return [_flag(row) for row in fetch(self._tx, _OF_CLIENT, of)]

    def save(self, flags: Collection[Flag]) -> None:
        """See `CareFlags.save`."""
        ordered = sorted(flags)
        columns = _columns([flag.key for flag in ordered]) | {
            "kinds": [str(flag.kind) for flag in ordered],
            "states": [str(flag.state) for flag in ordered],
            "since": [flag.since for flag in ordered],
            "sequences": [flag.sequence for flag in ordered],
        }
        execute(self._tx, _SAVE, columns, prepare=False)

    def came(self, clients: Collection[Client]) -> Mapping[Client, tuple[Span, ...]]:
        """See `CareFlags.came`."""
        rows = fetch(self._tx, _CAME, _clients(sorted(clients)), prepare=False)
        return {(row.practice_id, row.client_id): _SPANS(row.came) for row in rows}

    def save_came(self, came: Mapping[Client, tuple[Span, ...]]) -> None:
        """See `CareFlags.save_came`."""
        ordered = sorted(came)
        spans = [_ENCODE(came[each]).decode() for each in ordered]
        execute(self._tx, _SAVE_CAME, {**_clients(ordered), "came": spans}, prepare=False)


def _clients(clients: Sequence[Client]) -> dict[str, list[Any]]:
    return {"practices": [each[0] for each in clients], "clients": [each[1] for each in clients]}


def _columns(keys: Collection[FlagKey]) -> dict[str, list[Any]]:
    practices, clients, objects = map(list, zip(*keys, strict=True))
    return {"practices": practices, "clients": clients, "objects": objects}


def _flag(row: Any) -> Flag:
    return Flag(
        row.practice_id,
        row.client_id,
        row.object_id,
        FlagKind(row.kind),
        FlagState(row.state),
        row.since,
        row.sequence,
    )
