"""Clients, their history and the outbox: loaded once and saved once a batch, set by set."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import execute, fetch
from rapport_runtime.stream.outbox import append
from scoring_service.domain.digest import Digest
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import ClientState
from scoring_service.ports import ClientKey, TierTransition

_TYPES = {
    "practice_id": "text",
    "client_id": "text",
    "partition": "int4",
    "zone": "text",
    "generation": "int8",
    "last_sequence": "int8",
    "missing": "text",
    "digest": "bytea",
    "assessed_on": "date",
    "tier": "text",
    "score": "int4",
    "version": "int8",
    "effective_at": "timestamptz",
    "review_at": "timestamptz",
}
_COLUMNS = ", ".join(_TYPES)
_HISTORY_TYPES = {
    "practice_id": "text",
    "client_id": "text",
    "version": "int8",
    "rulebook": "text",
    "rulebook_version": "int4",
    "from_tier": "text",
    "to_tier": "text",
    "direction": "text",
    "reason": "text",
    "origin": "text",
    "effective_at": "timestamptz",
    "happened_at": "timestamptz",
    "activity_id": "text",
    "score": "int4",
    "on_day": "date",
}
_HISTORY = ", ".join(_HISTORY_TYPES)


def _unnest(types: Mapping[str, str]) -> str:
    """The clause that turns one array a column into rows."""
    arrays = ", ".join(f"%b::{kind}[]" for kind in types.values())
    return f"unnest({arrays}) AS incoming({', '.join(types)})"


# Ordered by key, so that no two transactions can wait for each other in a circle. One look into the
# key's index for each client: a join would be planned as a scan of the table (ADR 0014).
_LOAD = f"""
    SELECT c.* FROM (
        SELECT practice COLLATE "C" AS practice_id, client COLLATE "C" AS client_id
        FROM unnest(%b::text[], %b::text[]) AS key(practice, client) ORDER BY 1, 2
    ) AS wanted, LATERAL (
        SELECT {_COLUMNS} FROM client
        WHERE (practice_id, client_id) = (wanted.practice_id, wanted.client_id)
        FOR UPDATE
    ) AS c
"""
# Partition after partition along the index, and no further than the limit. In no order of keys:
# whoever sweeps or folds a partition's clients holds its position's row.
_DUE = f"""
    SELECT c.* FROM unnest(%b::int[], %b::timestamptz[]) AS due(partition, until), LATERAL (
        SELECT {_COLUMNS} FROM client
        WHERE partition = due.partition AND review_at <= due.until
        ORDER BY review_at LIMIT %s FOR UPDATE
    ) AS c LIMIT %s
"""
# An array of arrays cannot be ragged: `missing` comes as the text of each.
_UPSERT = f"""
    INSERT INTO client ({_COLUMNS})
    SELECT {_COLUMNS.replace("missing", "missing::int8[]")} FROM {_unnest(_TYPES)}
    ON CONFLICT (practice_id, client_id) DO UPDATE SET
        last_sequence = excluded.last_sequence, missing = excluded.missing,
        digest = excluded.digest, assessed_on = excluded.assessed_on, tier = excluded.tier,
        score = excluded.score, version = excluded.version,
        effective_at = excluded.effective_at, review_at = excluded.review_at
"""
_APPEND = f"""
    INSERT INTO tier_change ({_HISTORY}) SELECT {_HISTORY} FROM {_unnest(_HISTORY_TYPES)}
"""


class PostgresClients:
    """`Clients` within one transaction; `encode` makes the event of a transition."""

    def __init__(
        self, tx: sa.Connection, rulebook: Rulebook, encode: Callable[[TierTransition], Outgoing]
    ) -> None:
        self._tx = tx
        self._rulebook = rulebook
        self._encode = encode
        self._index: dict[str | None, int | None] = {
            tier.key: index for index, tier in enumerate(rulebook.tiers)
        }
        self._index[None] = None

    def load(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, ClientState]:
        """See `Clients.load`."""
        if not keys:
            return {}
        practices = [key.practice_id for key in keys]
        ids = [key.client_id for key in keys]
        rows = fetch(self._tx, _LOAD, (practices, ids), prepare=False)
        return {ClientKey(row[0], row[1]): self._state(row) for row in rows}

    def due(self, until: Mapping[int, datetime], limit: int) -> Sequence[ClientState]:
        """See `Clients.due`."""
        asked = (list(until), list(until.values()), limit, limit)
        return [self._state(row) for row in fetch(self._tx, _DUE, asked)]

    def save(self, states: Collection[ClientState]) -> None:
        """See `Clients.save`."""
        if not states:
            return
        self._write(_UPSERT, [self._row(state) for state in states])

    def record(self, transitions: Sequence[TierTransition]) -> None:
        """See `Clients.record`."""
        if not transitions:
            return
        self._write(_APPEND, [self._history_row(transition) for transition in transitions])
        append(self._tx, [self._encode(transition) for transition in transitions])

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        execute(self._tx, statement, [list(column) for column in zip(*rows, strict=True)])

    def _state(self, row: tuple[Any, ...]) -> ClientState:
        return ClientState(
            practice_id=row[0],
            client_id=row[1],
            partition=row[2],
            zone=row[3],
            generation=row[4],
            last_sequence=row[5],
            missing=tuple(row[6]),
            digest=Digest.from_bytes(row[7]),
            assessed_on=row[8],
            tier=self._index[row[9]],
            score=row[10],
            version=row[11],
            effective_at=row[12],
            review_at=row[13],
            reviewed=row[8] is not None,
        )

    def _row(self, state: ClientState) -> tuple[Any, ...]:
        return (
            state.practice_id,
            state.client_id,
            state.partition,
            state.zone,
            state.generation,
            state.last_sequence,
            f"{{{','.join(map(str, state.missing))}}}",
            state.digest.to_bytes(),
            state.assessed_on,
            None if state.tier is None else self._rulebook.tiers[state.tier].key,
            state.score,
            state.version,
            state.effective_at,
            state.review_at,
        )

    def _history_row(self, transition: TierTransition) -> tuple[Any, ...]:
        state, change = transition.state, transition.change
        return (
            state.practice_id,
            state.client_id,
            change.version,
            self._rulebook.key,
            self._rulebook.version,
            change.from_tier,
            change.to_tier,
            change.direction,
            change.reason,
            change.origin,
            change.effective_at,
            change.happened_at,
            change.activity_id,
            change.score,
            change.on_day,
        )
