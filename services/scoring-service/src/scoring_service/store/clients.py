"""Clients, their history and the outbox: loaded once and saved once a batch, set by set."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import execute, fetch
from rapport_runtime.errors import LoopHalted
from rapport_runtime.ops import incarnation
from rapport_runtime.stream.outbox import append
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.next_generation import NextGeneration
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import ClientKey, TierTransition
from scoring_service.store import next_generations, open_causes
from scoring_service.store.folded_state import add_zones, folded_columns, folded_state
from scoring_service.store.holds import KEEPS_TIERS, TO_SWEEP

# The columns of both tables, each with the type of the array in which a batch's values travel. All
# statements below are made from these two mappings, so that a column is named in two places only:
# here, and where its value is read or written.
_CLIENT_TYPES = {
    "practice_id": "text",
    "client_id": "text",
    "partition": "int4",
    "zone": "text",
    "generation": "int8",
    "last_sequence": "int8",
    "missing": "text",
    "stretches": "text",
    "first_skipped_sequence": "int8",
    "first_repeated_sequence": "int8",
    "digest": "bytea",
    "assessed_on": "date",
    "tier": "text",
    "score": "int4",
    "version": "int8",
    "effective_at": "timestamptz",
    "review_at": "timestamptz",
    "held_at": "timestamptz",
    "open_cause": "text",
}
_HISTORY_TYPES = {
    "practice_id": "text",
    "client_id": "text",
    "scheme": "text",
    "version": "int8",
    "rulebook_version": "int4",
    "is_primary": "bool",
    "from_tier": "text",
    "to_tier": "text",
    "direction": "text",
    "reason": "text",
    "origin": "text",
    "effective_at": "timestamptz",
    "due_on": "date",
    "happened_at": "timestamptz",
    "activity_id": "text",
    "score": "int4",
    "on_day": "date",
}
_IMMUTABLE = {"practice_id", "client_id", "partition"}
"""The columns of a client that no batch changes once the client exists."""
_SET_ONCE = """zone = CASE WHEN excluded.generation > client.generation THEN excluded.zone
    ELSE coalesce(nullif(client.zone, ''), excluded.zone) END"""
"""Within a generation."""
_CLIENT = ", ".join(_CLIENT_TYPES)
_CLIENT_READ = _CLIENT.replace("missing", "missing::text")
_HISTORY = ", ".join(_HISTORY_TYPES)
_UPDATES = ", ".join(
    _SET_ONCE if name == "zone" else f"{name} = excluded.{name}"
    for name in _CLIENT_TYPES
    if name not in _IMMUTABLE
)


def _rows_from_arrays(types: Mapping[str, str]) -> str:
    """The FROM clause that turns one array a column, each a parameter of its name, into rows."""
    arrays = ", ".join(f"%({name})b::{kind}[]" for name, kind in types.items())
    return f"unnest({arrays}) AS incoming({', '.join(types)})"


# Ordered by key, so that no two transactions can wait for each other in a circle. One look into the
# key's index for each client: a join would be planned as a scan of the table (ADR 14).
_LOAD = f"""
    SELECT c.* FROM (
        SELECT practice COLLATE "C" AS practice_id, client COLLATE "C" AS client_id
        FROM unnest(%(practice_ids)b::text[], %(client_ids)b::text[]) AS key(practice, client)
        ORDER BY 1, 2
    ) AS wanted, LATERAL (
        SELECT {_CLIENT_READ} FROM client
        WHERE (practice_id, client_id) = (wanted.practice_id, wanted.client_id)
        FOR UPDATE
    ) AS c
"""
# Partition after partition along the index, and no further than the limit. The clients need no
# order of their keys: a worker that sweeps or folds clients of a partition holds the lock of the
# partition's position, so no two workers lock clients of one partition.
_DUE = f"""
    SELECT c.* FROM unnest(%(partitions)b::int[], %(instants)b::timestamptz[])
        AS due(partition, until), LATERAL (
        SELECT {_CLIENT_READ} FROM client
        WHERE partition = due.partition AND review_at <= due.until AND held_at IS NULL
        ORDER BY review_at LIMIT %(limit)s FOR UPDATE
    ) AS c LIMIT %(limit)s
"""
WAITS = "assessed_on IS NULL AND review_at IS NULL AND held_at IS NULL AND zone <> ''"
"""A client whose facts came before its partition's first watermark, and whom no sweep has reached
yet. However many they are, nothing is written until their turn comes."""
_WAITING = f"""
    SELECT c.* FROM first_watermark, LATERAL (
        SELECT {_CLIENT_READ} FROM client
        WHERE partition = first_watermark.partition AND {WAITS} LIMIT %(limit)s FOR UPDATE
    ) AS c WHERE first_watermark.partition = ANY(%(partitions)s) LIMIT %(limit)s
"""
# Of practices whose hold has moved on or ended, the clients whose time has come there; while tiers
# are kept, none that keeps one.
_TO_MOVE = f"""
    SELECT c.* FROM (
        SELECT DISTINCT partition, practice_id FROM practice_hold
        WHERE partition = ANY(%(partitions)s) AND {TO_SWEEP}
    ) AS moved, LATERAL (
        SELECT min(stands_at) FILTER (WHERE NOT {KEEPS_TIERS}) AS stands_at,
            coalesce(bool_or({KEEPS_TIERS}), false) AS keeps_tiers FROM practice_hold AS h
        WHERE h.practice_id = moved.practice_id AND h.partition = moved.partition
          AND h.state = 'open'
    ) AS hold, LATERAL (
        SELECT {_CLIENT_READ} FROM client
        WHERE partition = moved.partition AND practice_id = moved.practice_id
          AND held_at IS NOT NULL AND review_at <= coalesce(hold.stands_at, 'infinity')
          AND NOT (hold.keeps_tiers AND held_at = review_at)
        ORDER BY review_at LIMIT %(limit)s FOR UPDATE
    ) AS c LIMIT %(limit)s
"""
_FIRST_WATERMARKS = "SELECT partition, up_to FROM first_watermark"
# The gaps of a sequence travel as the text of a multirange.
_CLIENT_CAST = _CLIENT.replace("missing", "missing::int8multirange")
_UPSERT = f"""
    INSERT INTO client ({_CLIENT})
    SELECT {_CLIENT_CAST} FROM {_rows_from_arrays(_CLIENT_TYPES)}
    ON CONFLICT (practice_id, client_id) DO UPDATE SET {_UPDATES}
"""
_APPEND = f"""
    INSERT INTO tier_change ({_HISTORY})
    SELECT {_HISTORY} FROM {_rows_from_arrays(_HISTORY_TYPES)}
"""
# Ordered by key, as clients are.
_COUNT = """
    INSERT INTO tier_count AS known (practice_id, tier, partition, clients)
    SELECT * FROM unnest(
        %(practice_ids)b::text[], %(tiers)b::text[], %(partitions)b::int4[], %(clients)b::int8[]
    ) AS incoming(practice_id, tier, partition, clients) ORDER BY 1, 2, 3
    ON CONFLICT (practice_id, tier, partition)
    DO UPDATE SET clients = known.clients + excluded.clients
"""


class PostgresClients:
    """`Clients` within one transaction; `encode` makes the event of a transition, with the
    incarnation of the database."""

    def __init__(
        self,
        tx: sa.Connection,
        rulebook: Rulebook,
        encode: Callable[[TierTransition, str], Outgoing],
    ) -> None:
        self._tx = tx
        self._rulebook = rulebook
        self._encode = encode
        self._tier_index: dict[str | None, int | None] = {
            tier.key: index for index, tier in enumerate(rulebook.tiers)
        }
        self._tier_index[None] = None
        self._first_watermarks: Mapping[int, datetime] | None = None

    def load(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, ClientState]:
        """See `Clients.load`."""
        if not keys:
            return {}
        parameters = {
            "practice_ids": [key.practice_id for key in keys],
            "client_ids": [key.client_id for key in keys],
        }
        rows = fetch(self._tx, _LOAD, parameters, prepare=False)
        return {ClientKey(row.practice_id, row.client_id): self._state(row) for row in rows}

    def due(self, until: Mapping[int, datetime], limit: int) -> Sequence[ClientState]:
        """See `Clients.due`."""
        parameters = {
            "partitions": list(until),
            "instants": list(until.values()),
            "limit": limit,
        }
        rows = fetch(self._tx, _DUE, parameters)
        for others in (_WAITING, _TO_MOVE):
            if len(rows) < limit:
                parameters["limit"] = limit - len(rows)
                rows += fetch(self._tx, others, parameters)
        return [self._state(row) for row in rows]

    def save(self, states: Collection[ClientState]) -> None:
        """See `Clients.save`."""
        if states:
            execute(self._tx, _UPSERT, self._client_columns(states))
            add_zones(self._tx, states)

    def load_next(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, NextGeneration]:
        """See `Clients.load_next`."""
        return next_generations.load(self._tx, keys)

    def save_next(self, changed: Mapping[ClientKey, NextGeneration | None]) -> None:
        """See `Clients.save_next`."""
        next_generations.save(self._tx, changed)

    def record(self, transitions: Sequence[TierTransition]) -> None:
        """See `Clients.record`."""
        if transitions:
            execute(self._tx, _APPEND, self._history_columns(transitions))
            self._count(transitions)
            digits = incarnation.current(self._tx)
            append(self._tx, [self._encode(transition, digits) for transition in transitions])

    def _count(self, transitions: Sequence[TierTransition]) -> None:
        """Add up who came to which tier, and who left it."""
        moved: Counter[tuple[str, str, int]] = Counter()
        for state, change, _ in transitions:
            moved[state.practice_id, change.to_tier, state.partition] += 1
            if change.from_tier is not None:
                moved[state.practice_id, change.from_tier, state.partition] -= 1
        rows = [(*place, clients) for place, clients in moved.items() if clients]
        if rows:
            practice_ids, tiers, partitions, clients = map(list, zip(*rows, strict=True))
            parameters = {
                "practice_ids": practice_ids,
                "tiers": tiers,
                "partitions": partitions,
                "clients": clients,
            }
            execute(self._tx, _COUNT, parameters)

    def _state(self, row: Any) -> ClientState:
        state = folded_state(row)
        state.assessed_on = row.assessed_on
        state.tier = self._tier_of(row.tier)
        state.score = row.score
        state.version = row.version
        state.effective_at = row.effective_at
        state.review_at = row.review_at or self._first_review(row)
        state.held_at = row.held_at
        state.reviewed = row.assessed_on is not None and row.open_cause is None
        state.open_cause = open_causes.read(row.open_cause)
        return state

    def _tier_of(self, key: str | None) -> int | None:
        """The tier's place. Raises LoopHalted for one that only a later rulebook has."""
        if key not in self._tier_index:
            rulebook = self._rulebook
            raise LoopHalted(
                f"a client stands in {key!r}, which version {rulebook.version} of the rulebook"
                f" {rulebook.key!r} does not have: a worker with a later one has run"
            )
        return self._tier_index[key]

    def _first_review(self, row: Any) -> datetime | None:
        """The first watermark of the partition, when the client waits for it."""
        if row.assessed_on is not None or not row.zone:
            return None
        if self._first_watermarks is None:
            rows = fetch(self._tx, _FIRST_WATERMARKS)
            self._first_watermarks = {each.partition: each.up_to for each in rows}
        return self._first_watermarks.get(row.partition)

    def _client_columns(self, states: Collection[ClientState]) -> dict[str, list[Any]]:
        tiers: dict[int | None, str | None] = dict(enumerate(t.key for t in self._rulebook.tiers))
        tiers[None] = None
        return {
            **folded_columns(states),
            "assessed_on": [state.assessed_on for state in states],
            "tier": [tiers[state.tier] for state in states],
            "score": [state.score for state in states],
            "version": [state.version for state in states],
            "effective_at": [state.effective_at for state in states],
            "review_at": [state.review_at for state in states],
            "held_at": [state.held_at for state in states],
            "open_cause": [open_causes.text(state.open_cause) for state in states],
        }

    def _history_columns(self, transitions: Sequence[TierTransition]) -> dict[str, list[Any]]:
        changes = [transition.change for transition in transitions]
        return {
            "practice_id": [transition.state.practice_id for transition in transitions],
            "client_id": [transition.state.client_id for transition in transitions],
            "scheme": [self._rulebook.key] * len(changes),
            "version": [change.version for change in changes],
            "rulebook_version": [self._rulebook.version] * len(changes),
            "is_primary": [True] * len(changes),
            "from_tier": [change.from_tier for change in changes],
            "to_tier": [change.to_tier for change in changes],
            "direction": [change.direction for change in changes],
            "reason": [change.reason for change in changes],
            "origin": [change.origin for change in changes],
            "effective_at": [change.effective_at for change in changes],
            "due_on": [change.due_on for change in changes],
            "happened_at": [change.happened_at for change in changes],
            "activity_id": [change.activity_id for change in changes],
            "score": [change.score for change in changes],
            "on_day": [change.on_day for change in changes],
        }
