"""The columns that `client` and `next_generation` share: a client's numbers, zone and digest."""

from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa

from rapport_runtime.database import execute
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.store.sequences import gaps_of, multirange, stretches_of, text_of

_ADD_ZONES: Final = """
    INSERT INTO partition_zone (partition, zone)
    SELECT * FROM unnest(%(partitions)s::int[], %(zones)s::text[]) ON CONFLICT DO NOTHING
"""


def folded_state(row: Any) -> ClientState:
    """A client of whom nothing was assessed, from a row of either table."""
    return ClientState(
        practice_id=row.practice_id,
        client_id=row.client_id,
        partition=row.partition,
        zone=row.zone,
        generation=row.generation,
        last_sequence=row.last_sequence,
        missing=gaps_of(row.missing),
        stretches=stretches_of(row.stretches),
        first_skipped_sequence=row.first_skipped_sequence,
        first_repeated_sequence=row.first_repeated_sequence,
        digest=Digest.from_bytes(row.digest),
    )


def folded_columns(states: Collection[ClientState]) -> dict[str, list[Any]]:
    """What `folded_state` reads, a list for each column."""
    return {
        "practice_id": [state.practice_id for state in states],
        "client_id": [state.client_id for state in states],
        "partition": [state.partition for state in states],
        "zone": [state.zone for state in states],
        "generation": [state.generation for state in states],
        "last_sequence": [state.last_sequence for state in states],
        "missing": [multirange(state.missing) for state in states],
        "stretches": [text_of(state.stretches) for state in states],
        "first_skipped_sequence": [state.first_skipped_sequence for state in states],
        "first_repeated_sequence": [state.first_repeated_sequence for state in states],
        "digest": [state.digest.to_bytes() for state in states],
    }


def add_zones(tx: sa.Connection, states: Collection[ClientState]) -> None:
    """Keep in which zones a partition has clients; in one order, so that no two workers deadlock.
    A client without a fact has none yet."""
    places = sorted({(state.partition, state.zone) for state in states if state.zone})
    parameters = {
        "partitions": [partition for partition, _ in places],
        "zones": [zone for _, zone in places],
    }
    execute(tx, _ADD_ZONES, parameters)
