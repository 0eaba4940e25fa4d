"""The generations that are folded beside those of their clients (ADR 48), as rows."""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch
from scoring_service.domain.next_generation import NextGeneration, Reason
from scoring_service.ports import ClientKey
from scoring_service.store.folded_state import add_zones, folded_columns, folded_state

IS_OVERDUE: Final = "since <= clock_timestamp() - interval '1 hour'"
"""Of a row: its generation should have been complete long ago."""
OLDEST: Final = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT since FROM next_generation WHERE since <= now() ORDER BY since LIMIT 1
    )), 0)::float
"""
"""The age of the oldest generation that is not complete, in seconds."""

_TYPES: Final = {
    "practice_id": "text",
    "client_id": "text",
    "partition": "int4",
    "generation": "int8",
    "zone": "text",
    "facts": "int8",
    "came": "int8",
    "is_whole": "bool",
    "reason": "text",
    "opened_at": "timestamptz",
    "last_sequence": "int8",
    "missing": "text",
    "stretches": "text",
    "first_skipped_sequence": "int8",
    "first_repeated_sequence": "int8",
    "digest": "bytea",
}
_COLUMNS: Final = ", ".join(_TYPES)
_OF: Final = """(practice_id, client_id) IN (
        SELECT * FROM unnest(%(practice_ids)b::text[], %(client_ids)b::text[]))"""
_LOAD: Final = f"""
    SELECT {_COLUMNS.replace("missing", "missing::text")} FROM next_generation WHERE {_OF}
"""
_SAVE: Final = f"""
    INSERT INTO next_generation ({_COLUMNS})
    SELECT {_COLUMNS.replace("missing", "missing::int8multirange")}
    FROM unnest({", ".join(f"%({name})b::{kind}[]" for name, kind in _TYPES.items())})
        AS incoming({_COLUMNS}) ORDER BY practice_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in list(_TYPES)[3:])}
"""
_REMOVE: Final = f"DELETE FROM next_generation WHERE {_OF}"


def load(tx: sa.Connection, keys: Collection[ClientKey]) -> Mapping[ClientKey, NextGeneration]:
    """See `Clients.load_next`."""
    rows = fetch(tx, _LOAD, _keys(keys), prepare=False)
    return {ClientKey(row.practice_id, row.client_id): _generation(row) for row in rows}


def save(tx: sa.Connection, changed: Mapping[ClientKey, NextGeneration | None]) -> None:
    """See `Clients.save_next`."""
    if ended := [key for key, beside in changed.items() if beside is None]:
        execute(tx, _REMOVE, _keys(ended), prepare=False)
    if beside := [each for each in changed.values() if each is not None]:
        execute(tx, _SAVE, _columns(beside), prepare=False)
        add_zones(tx, [each.state for each in beside])


def _keys(keys: Collection[ClientKey]) -> dict[str, list[str]]:
    return {
        "practice_ids": [key.practice_id for key in keys],
        "client_ids": [key.client_id for key in keys],
    }


def _generation(row: Any) -> NextGeneration:
    reason = cast("Reason", row.reason)
    return NextGeneration(
        folded_state(row), row.facts, row.came, row.is_whole, reason, row.opened_at
    )


def _columns(beside: Collection[NextGeneration]) -> dict[str, list[Any]]:
    return {
        **folded_columns([each.state for each in beside]),
        "facts": [each.facts for each in beside],
        "came": [each.came for each in beside],
        "is_whole": [each.is_whole for each in beside],
        "reason": [each.reason for each in beside],
        "opened_at": [each.opened_at for each in beside],
    }
