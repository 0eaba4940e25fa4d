"""Whether ingestion did what its figures are about: each event once, each activity published."""

import psycopg
from kafka import TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import ActivityRecorded
from tools.bench import reading
from tools.bench.order import Order

NAME = topics.CLIENT_ACTIVITY.name
_COUNTED = """
    SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM outbox),
           (SELECT count(*) FROM every_letter)
"""
_SEQUENCES = """
    SELECT client_id,
        generate_series(first_sequence, first_sequence + jsonb_array_length(deltas) - 1)
    FROM ledger WHERE deltas IS NOT NULL
"""


def check(order: Order, events: int, before: dict[TopicPartition, int]) -> int:
    """The number of activities, which are all on the bus since `before`, each once.

    Raises RuntimeError when events are missing, something still waits or was put aside, or ledger
    and bus differ.
    """
    with psycopg.connect(order.database_url) as db:
        counted = db.execute(_COUNTED).fetchone()
        sequences = db.execute(_SEQUENCES).fetchall()
    if counted != (events, 0, 0):
        raise RuntimeError(f"ledger, unpublished rows, letters: {counted}, of {events} events")
    if sorted(_published(order, before)) != sorted(sequences):
        raise RuntimeError("ledger and bus differ")
    return len(sequences)


def _published(order: Order, before: dict[TopicPartition, int]) -> list[tuple[str, int]]:
    events = (codec.decode(NAME, one.key, one.value) for one in reading.since(order, before))
    return [
        (event.data.client_id, event.data.sequence)
        for event in events
        if isinstance(event, ActivityRecorded)
    ]
