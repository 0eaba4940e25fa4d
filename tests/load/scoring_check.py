"""Whether the worker did what its figures are about: all folded, all published, nothing twice."""

from collections.abc import Iterable

import psycopg
from kafka import KafkaConsumer, TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import CanonicalEvent, TierChanged
from tests.load.order import Order

TOPIC = topics.TIER_CHANGES

_FOLDED = "SELECT coalesce(sum(last_sequence - cardinality(missing)), 0)::bigint FROM client"
_HISTORY = "SELECT practice_id, client_id, version FROM tier_change ORDER BY 1, 2, 3"
_FEED = "SELECT event FROM feed"
_WAITING = "SELECT count(*) FROM outbox"
_LETTERS = "SELECT count(*) FROM dead_letter"


def ends(order: Order) -> dict[TopicPartition, int]:
    """Where tier-changes.v1 ends now."""
    consumer = KafkaConsumer(bootstrap_servers=order.bootstrap.split(","))
    name = order.topic_prefix + TOPIC.name
    try:
        places = [TopicPartition(name, number) for number in range(TOPIC.partitions)]
        return dict(consumer.end_offsets(places))
    finally:
        consumer.close()


def check(order: Order, activities: int, before: dict[TopicPartition, int]) -> int:
    """The number of tier changes, which are all on the bus since `before` and in the feed, each
    once.

    Raises RuntimeError when facts are missing, something still waits or was put aside, or history,
    bus and feed differ.
    """
    with psycopg.connect(order.database_url) as db:
        counted = db.execute(f"SELECT ({_FOLDED}), ({_WAITING}), ({_LETTERS})").fetchone()
        history = db.execute(_HISTORY).fetchall()
        feed = [codec.decode(TOPIC.name, b"any", event) for (event,) in db.execute(_FEED)]
    if counted != (activities, 0, 0):
        raise RuntimeError(f"facts, unpublished rows, letters: {counted}, of {activities} facts")
    if sorted(_published(order.bootstrap, before)) != history:
        raise RuntimeError("history and bus differ")
    if sorted(_changes(feed)) != history:
        raise RuntimeError("history and feed differ")
    return len(history)


def _published(bootstrap: str, before: dict[TopicPartition, int]) -> list[tuple[str, str, int]]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(","))
    consumer.assign(list(before))
    for place, offset in before.items():
        consumer.seek(place, offset)
    found: list[tuple[str, str, int]] = []
    last = consumer.end_offsets(list(before))
    while any(consumer.position(place) < offset for place, offset in last.items()):
        for records in consumer.poll(1_000, max_records=5_000).values():
            found += _changes(
                codec.decode(TOPIC.name, record.key, record.value) for record in records
            )
    consumer.close()
    return found


def _changes(events: Iterable[CanonicalEvent]) -> list[tuple[str, str, int]]:
    return [
        (event.practiceid, event.data.client_id, event.data.version)
        for event in events
        if isinstance(event, TierChanged)
    ]
