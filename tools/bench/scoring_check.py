"""Whether the worker did what its figures are about: all folded, all published, nothing twice."""

from collections.abc import Iterable

import psycopg
from kafka import TopicPartition

from rapport_contracts import codec, topics
from rapport_contracts.canonical import TierChanged
from tools.bench import reading
from tools.bench.order import Order

NAME = topics.TIER_CHANGES.name

_FOLDED = """
    SELECT coalesce(sum(last_sequence - (
        SELECT coalesce(sum(upper(gap) - lower(gap)), 0) FROM unnest(missing) AS gap
    )), 0)::bigint FROM client
"""
_HISTORY = "SELECT practice_id, client_id, version FROM tier_change ORDER BY 1, 2, 3"
_FEED = "SELECT event FROM feed"
_WAITING = "SELECT count(*) FROM outbox"
_LETTERS = "SELECT count(*) FROM every_letter"


def check(order: Order, activities: int, before: dict[TopicPartition, int]) -> int:
    """The number of tier changes, which are all on the bus since `before` and in the feed, each
    once.

    Raises RuntimeError when facts are missing, something still waits or was put aside, or history,
    bus and feed differ.
    """
    with psycopg.connect(order.database_url) as db:
        counted = db.execute(f"SELECT ({_FOLDED}), ({_WAITING}), ({_LETTERS})").fetchone()
        history = db.execute(_HISTORY).fetchall()
        feed = [codec.decode(NAME, b"any", event) for (event,) in db.execute(_FEED)]
    if counted != (activities, 0, 0):
        raise RuntimeError(f"facts, unpublished rows, letters: {counted}, of {activities} facts")
    published = (codec.decode(NAME, one.key, one.value) for one in reading.since(order, before))
    if sorted(_changes(published)) != history:
        raise RuntimeError("history and bus differ")
    if sorted(_changes(feed)) != history:
        raise RuntimeError("history and feed differ")
    return len(history)


def _changes(events: Iterable[object]) -> list[tuple[str, str, int]]:
    return [
        (event.practiceid, event.data.client_id, event.data.version)
        for event in events
        if isinstance(event, TierChanged)
    ]
