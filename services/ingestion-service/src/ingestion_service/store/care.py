"""The numbers of clients' signals of care."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from ingestion_service.domain.care import CareWord, how_many, in_sequence
from ingestion_service.store.arrays import arrays
from rapport_runtime.database import fetch

# The clients are locked, so no two transactions wait for each other here.
_NUMBER: Final = """
    INSERT INTO care_sequence AS known (practice_id, client_id, last_sequence)
    SELECT * FROM unnest(%(practice_id)b::text[], %(client_id)b::text[], %(count)b::bigint[])
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET last_sequence = known.last_sequence + excluded.last_sequence
    RETURNING practice_id, client_id, last_sequence
"""


def number(tx: sa.Connection, words: Sequence[CareWord]) -> list[CareWord]:
    """The words with the next numbers of their clients, which are locked."""
    counts = how_many(words)
    clients = arrays(("practice_id", "client_id"), counts)
    rows = fetch(tx, _NUMBER, clients | {"count": list(counts.values())}, prepare=False)
    last = {(row.practice_id, row.client_id): row.last_sequence for row in rows}
    return in_sequence(words, last)
