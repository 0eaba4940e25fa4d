"""Whether ingestion did what its figures are about: each event once, each activity published."""

import psycopg
from kafka import KafkaConsumer, TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import ActivityRecorded
from tests.load.order import Order

TOPIC = topics.CLIENT_ACTIVITY
_COUNTED = """
    SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM outbox),
           (SELECT count(*) FROM dead_letter)
"""
_SEQUENCES = """
    SELECT client_id, generate_series(first_sequence, first_sequence + activities - 1)
    FROM ledger WHERE activities > 0
"""


def ends(order: Order) -> dict[TopicPartition, int]:
    """Where client-activity.v1 ends now."""
    consumer = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    name = order.topic_prefix + TOPIC.name
    try:
        places = [TopicPartition(name, number) for number in range(TOPIC.partitions)]
        return dict(consumer.end_offsets(places))
    finally:
        consumer.close()


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
    consumer = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    consumer.assign(list(before))
    for place, offset in before.items():
        consumer.seek(place, offset)
    found = []
    last = consumer.end_offsets(list(before))
    while any(consumer.position(place) < offset for place, offset in last.items()):
        for records in consumer.poll(1_000, max_records=5_000).values():
            events = (codec.decode(TOPIC.name, record.key, record.value) for record in records)
            found += [
                (event.data.client_id, event.data.sequence)
                for event in events
                if isinstance(event, ActivityRecorded)
            ]
    consumer.close()
    return found
